package bench

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// echoConn is one connection of `ctl bench echo`. As fast as possible and with little in flight, one goroutine writes
// and reads in turn. Otherwise one writes and another reads, and the fields that they share are atomic.
type echoConn struct {
	bench  *echoBench
	socket net.Conn
	number int
	start  int64 // where in the pattern its messages begin
	size   int64
	trips  *latencyShard

	sentAt   []time.Duration // when the messages in flight were sent or due: of message k at k modulo its length
	sent     atomic.Int64    // messages; counted before they are written
	answered atomic.Int64
	received int64         // bytes
	slot     chan struct{} // something was answered
	gone     chan struct{} // closed: nothing is read any more
	finished atomic.Bool   // nothing more is sent
	fails    sync.Once
	broken   atomic.Bool

	// The messages sent or due after the warmup; read when run has returned.
	measured, unanswered, unsent int64
}

func newEchoConn(e *echoBench, number int, socket net.Conn) *echoConn {
	return &echoConn{
		bench: e, socket: socket, number: number, size: int64(e.options.size), trips: e.trips.shard(number),
		start:  int64(number) * 40503, // coprime to the period: neighbours are far apart
		sentAt: make([]time.Duration, e.options.pipeline),
		slot:   make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// run sends and receives until the end, or until the connection breaks.
func (c *echoConn) run() {
	o := &c.bench.options
	if o.rate == 0 && o.size*o.pipeline <= lockstepBytes {
		c.lockstep()
		return
	}
	var reader sync.WaitGroup
	reader.Go(c.read)
	if o.rate > 0 {
		c.sendPaced()
	} else {
		c.sendFull()
	}
	c.finished.Store(true)
	if c.answered.Load() == c.sent.Load() {
		_ = c.socket.SetReadDeadline(past) // nothing is to come: the reader need not wait
	}
	reader.Wait()
}

// lockstep keeps the window full in one goroutine.
func (c *echoConn) lockstep() {
	buffer := make([]byte, c.bench.readBuffer())
	now := c.bench.now()
	for {
		if free := c.free(); free > 0 && !c.bench.ended(now) && !c.send(free, now) {
			return
		}
		if c.answered.Load() == c.sent.Load() {
			return
		}
		n, err := c.socket.Read(buffer)
		now = c.bench.now()
		if !c.take(buffer[:n], now) || err != nil && !c.fail(err) {
			return
		}
	}
}

// sendFull keeps the window full while another goroutine reads.
func (c *echoConn) sendFull() {
	for c.awaitSlot() {
		now := c.bench.now()
		if c.bench.ended(now) || !c.send(c.free(), now) {
			return
		}
	}
}

// sendPaced sends each message when it is due, or as soon after that as the window allows.
func (c *echoConn) sendPaced() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	late := c.bench.late.shard(c.number)
	var free time.Duration // since when the connection could have sent
	for {
		due := c.due(c.sent.Load())
		if c.bench.ended(due) {
			c.awaitEnd()
			return
		}
		if !c.bench.awaitDue(due, timer, c.gone) {
			return
		}
		if c.free() == 0 {
			if !c.awaitSlot() {
				return
			}
			free = c.bench.now()
		}
		if n := c.dueBy(c.bench.now(), free, late); !c.send(n, -1) {
			return
		}
		free = c.bench.now()
	}
}

// dueBy counts the messages that are due at now and fit the window, and notes when they were due. Messages that the
// free connection could have sent earlier are late by ctl's own fault.
func (c *echoConn) dueBy(now, free time.Duration, late *latencyShard) (n int64) {
	sent := c.sent.Load()
	for room := c.free(); n < room; n++ {
		due := c.due(sent + n)
		if due > now || c.bench.ended(due) {
			break
		}
		c.sentAt[(sent+n)%int64(len(c.sentAt))] = due
		if due >= free && due >= c.bench.warm {
			late.record(now - due)
		}
	}
	return n
}

func (c *echoConn) due(k int64) time.Duration { return c.bench.due(c.number, k) }

// awaitEnd waits until the time is over although nothing more is due: that time is measured too.
func (c *echoConn) awaitEnd() {
	select {
	case <-c.bench.stopped:
	case <-c.gone:
	}
}

// free is how many messages may be sent now.
func (c *echoConn) free() int64 { return int64(len(c.sentAt)) - (c.sent.Load() - c.answered.Load()) }

// awaitSlot waits until a message may be sent; false: none will be.
func (c *echoConn) awaitSlot() bool {
	for c.free() == 0 {
		select {
		case <-c.slot:
		case <-c.bench.stopped:
			return false
		case <-c.gone:
			return false
		}
	}
	return true
}

// send writes n messages, sent at t; at t < 0 their times have been noted.
func (c *echoConn) send(n int64, t time.Duration) bool {
	first := c.sent.Load()
	for k := first; t >= 0 && k < first+n; k++ {
		c.sentAt[k%int64(len(c.sentAt))] = t
	}
	c.sent.Store(first + n)
	if err := c.bench.pattern.write(c.socket, c.start+first*c.size, n*c.size); err != nil {
		return c.fail(err)
	}
	return true
}

// read receives until everything is answered.
func (c *echoConn) read() {
	defer close(c.gone)
	buffer := make([]byte, c.bench.readBuffer())
	for {
		n, err := c.socket.Read(buffer)
		if !c.take(buffer[:n], c.bench.now()) {
			return
		}
		if err != nil && !c.fail(err) {
			return
		}
		select {
		case c.slot <- struct{}{}:
		default:
		}
		if c.finished.Load() && c.answered.Load() == c.sent.Load() {
			return
		}
	}
}

// take compares received bytes with those that were sent, and records the messages that are complete.
func (c *echoConn) take(p []byte, now time.Duration) bool {
	if len(p) == 0 {
		return true
	}
	err := c.bench.pattern.check(c.start+c.received, p)
	c.received += int64(len(p))
	if err == nil && c.received > c.sent.Load()*c.size {
		err = &mismatchError{"more bytes came back than were sent"}
	}
	if err != nil {
		return c.fail(&mismatchError{err.Error() + ": " + c.bench.address + notAnEcho})
	}
	from, to := c.answered.Load(), c.received/c.size
	if from == to {
		return true
	}
	c.record(from, to, now)
	c.answered.Store(to)
	return true
}

// record takes the round trips of messages from to to, which ended now.
func (c *echoConn) record(from, to int64, now time.Duration) {
	c.trips.mu.Lock()
	defer c.trips.mu.Unlock()
	for k := from; k < to; k++ {
		if at := c.sentAt[k%int64(len(c.sentAt))]; at >= c.bench.warm {
			c.trips.add(now - at)
			c.trips.last = max(c.trips.last, now)
			c.measured++
		}
	}
}

// fail counts the first failure of the connection and closes it; a failure that our own end caused does not count. It
// returns false.
func (c *echoConn) fail(err error) bool {
	ours := c.bench.stopping() && errors.Is(err, os.ErrDeadlineExceeded) ||
		c.finished.Load() && errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) && c.bench.stopping() && c.answered.Load() == c.sent.Load()
	if ours {
		return false
	}
	c.fails.Do(func() {
		c.broken.Store(true)
		c.bench.failures.add(err)
		_ = c.socket.Close()
	})
	return false
}

// settle counts the messages without an answer at the end. Each that a working connection still waits for counts as a
// latency of the time that it has waited.
func (c *echoConn) settle(at time.Duration) {
	sent := c.sent.Load()
	for k := c.answered.Load(); k < sent; k++ {
		if t := c.sentAt[k%int64(len(c.sentAt))]; t >= c.bench.warm {
			c.unanswered++
			c.waited(at - t)
		}
	}
	if c.bench.options.rate == 0 {
		return
	}
	for k := sent; !c.bench.ended(c.due(k)); k++ {
		if due := c.due(k); due >= c.bench.warm {
			c.unsent++
			c.waited(at - due)
		}
	}
}

func (c *echoConn) waited(d time.Duration) {
	if !c.broken.Load() {
		c.trips.record(d)
	}
}
