package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// Window says which part of a load is measured.
type Window struct {
	Ready  <-chan struct{} // Echo, Fixed, Churn: Warm begins when it is closed; nil means at once
	Warm   time.Duration   // the load goes on for so long before the measured part
	Length time.Duration
	Mark   func() // called where the measured part begins and where it ends; may be nil
	Sleep  bool   // Fixed: sleep until the next message is due, instead of polling; for a load that shares its core
}

func (w Window) mark() {
	if w.Mark != nil {
		w.Mark()
	}
}

// ready reports whether Warm has begun.
func (w Window) ready() bool {
	if w.Ready == nil {
		return true
	}
	select {
	case <-w.Ready:
		return true
	default:
		return false
	}
}

// Result is the outcome of the measured part.
type Result struct {
	Messages uint64        // messages that came back
	Elapsed  time.Duration // the real length of the measured part
	Latency  *hdrhistogram.Histogram
	// Unanswered is for Fixed: messages that were to be sent in the measured part and had not come back at its end.
	// Latency includes them, with the time until then.
	Unanswered uint64
}

// newHistogram returns a histogram of latencies in nanoseconds, from 1 µs to 2 minutes, to three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1000, int64(2*time.Minute), 3) }

// Echo keeps one message in flight on every connection.
func (l *Client) Echo(ctx context.Context, w Window) (Result, error) {
	return l.drive(ctx, w, 0)
}

// Fixed sends rate messages a second in all, on the connections in turn, however slow the answers are. Latency counts
// from the moment at which a message was to be sent, so that a stall shows in all the messages that it held up. A
// second call goes on with the same connections.
func (l *Client) Fixed(ctx context.Context, rate float64, w Window) (Result, error) {
	if rate <= 0 {
		return Result{}, fmt.Errorf("rate %g: expected more than 0 messages a second", rate)
	}
	return l.drive(ctx, w, time.Duration(float64(time.Second)/rate))
}

// run is a load that is under way.
type run struct {
	*Client
	result   Result
	interval time.Duration // between two messages; 0: each message waits for the answer to the last one
	origin   time.Duration // when the first message was to be sent
	released uint64        // messages whose time to be sent has come
	sleeps   bool
	warming  time.Duration // when Warm began; 0 before
	begin    time.Duration // when the measured part began
	measured bool          // whether the measured part has begun
}

func (l *Client) drive(ctx context.Context, w Window, interval time.Duration) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if len(l.conns) == 0 {
		return Result{}, errors.New("no connection is open")
	}
	for i := range l.conns {
		c := &l.conns[i]
		if c.sent != 0 && interval == 0 {
			return Result{}, fmt.Errorf("connection %d has been used; expected new ones", i)
		}
		c.base = c.due
	}
	if w.Sleep {
		if err := sleepExactly(); err != nil {
			return Result{}, err
		}
	}
	r := &run{Client: l, interval: interval, origin: l.now(), sleeps: w.Sleep, result: Result{Latency: newHistogram()}}
	r.last = r.origin
	if interval == 0 {
		for i := range l.conns {
			if err := r.next(i); err != nil {
				return Result{}, err
			}
		}
	}
	for {
		now := l.now()
		r.start(now, w)
		if r.over(now, w) {
			w.mark()
			return r.result, errors.Join(r.finish(now), r.serveAll(ctx, r.step))
		}
		if err := errors.Join(ctx.Err(), r.step(now)); err != nil {
			return Result{}, err
		}
	}
}

// start begins the measured part when its time has come.
func (r *run) start(now time.Duration, w Window) {
	if r.warming == 0 && w.ready() {
		r.warming = now
	}
	if r.measured || r.warming == 0 || now < r.warming+w.Warm {
		return
	}
	w.mark()
	r.measured, r.begin = true, r.now()
}

// step sends the messages that are due and takes the answers that have come.
func (r *run) step(now time.Duration) error {
	timeout := 10 * time.Millisecond
	if r.interval > 0 {
		timeout = 0 // the next message is due in microseconds
		if err := r.release(now); err != nil {
			return err
		}
		if r.sleeps {
			timeout = max(0, r.intended(r.released)-r.now())
		}
	}
	events, err := r.poll.wait(timeout)
	if err != nil {
		return err
	}
	if len(events) > 0 {
		r.last = now
	} else if now > r.last+patience {
		return fmt.Errorf("nothing came for %s", patience)
	}
	for i := range events {
		if err := r.handle(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// release sends the messages of Fixed whose time has come.
func (r *run) release(now time.Duration) error {
	for r.intended(r.released) <= now {
		i := int(r.released % uint64(len(r.conns)))
		r.released++
		r.conns[i].due++
		if !r.conns[i].blocked {
			if err := r.write(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// intended returns when a message of Fixed is to be sent.
func (r *run) intended(number uint64) time.Duration {
	return r.origin + time.Duration(number)*r.interval
}

// due returns when a message on a connection is to be sent, by its number on the connection. Messages before the
// connection's base belong to an earlier run.
func (r *run) due(i int, number uint64) time.Duration {
	return r.intended((number-r.conns[i].base)*uint64(len(r.conns)) + uint64(i))
}

func (r *run) handle(e *unix.EpollEvent) error {
	i := int(e.Fd)
	if e.Events&unix.EPOLLOUT != 0 {
		if err := r.write(i); err != nil {
			return err
		}
	}
	if e.Events&^unix.EPOLLOUT == 0 {
		return nil
	}
	n, err := r.read(i)
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		if err := r.came(i, uint64(n)); err != nil {
			return err
		}
	}
	return nil
}

// came counts a message that has come back on a connection; behind-1 messages have come after it.
func (r *run) came(i int, behind uint64) error {
	c := &r.conns[i]
	began, counts := c.since, r.measured
	if number := c.received - behind; r.interval > 0 {
		began, counts = r.due(i, number), counts && number >= c.base
	}
	if counts {
		r.result.Messages++
		if err := r.result.Latency.RecordValue(int64(r.now() - began)); err != nil {
			return err
		}
	}
	if r.interval > 0 {
		return nil
	}
	return r.next(i)
}

// next sends the next message of Echo on a connection.
func (r *run) next(i int) error {
	c := &r.conns[i]
	c.due++
	c.since = r.now()
	return r.write(i)
}

// over reports whether the measured part is over. Echo makes it longer until a message has come back: on a busy machine
// a short part could end without one.
func (r *run) over(now time.Duration, w Window) bool {
	return r.measured && now >= r.begin+w.Length && (r.result.Messages > 0 || r.interval > 0)
}

// finish counts the messages of Fixed that were to be sent and have not come back.
func (r *run) finish(now time.Duration) error {
	r.result.Elapsed = now - r.begin
	if r.interval == 0 {
		return nil
	}
	if err := r.release(now); err != nil {
		return err
	}
	for i := range r.conns {
		c := &r.conns[i]
		for n := max(c.received, c.base); n < c.due; n++ {
			began := r.due(i, n)
			if now-began > time.Millisecond { // a message that has only just been sent is not late
				r.result.Unanswered++
				if err := r.result.Latency.RecordValue(int64(now - began)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// serveAll goes on without counting until a message has come back on every connection, or for patience at most.
func (r *run) serveAll(ctx context.Context, step func(time.Duration) error) error {
	r.measured = false
	deadline := r.now() + patience
	for i := range r.conns {
		for r.conns[i].received == 0 {
			now := r.now()
			if now > deadline {
				return fmt.Errorf("no message came back on connection %d of %d", i, len(r.conns))
			}
			if err := errors.Join(ctx.Err(), step(now)); err != nil {
				return err
			}
		}
	}
	return nil
}
