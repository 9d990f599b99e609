package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

const maxConcurrency = 10_000

// churnOptions say how connections are opened and closed.
type churnOptions struct {
	commonFlags
	reset bool
}

func (o *churnOptions) register(cmd *cobra.Command) {
	cmd.Flags().IntVarP(&o.connections, "concurrency", "c", 50, "connections at once, 1 to 10,000")
	o.registerSize(cmd, 64, "bytes to send and get back on each connection, 0 to 1 MiB; 0 sends nothing")
	cmd.Flags().BoolVar(&o.reset, "reset", false, "close with a reset, which keeps no port in TIME_WAIT")
	o.registerRate(cmd, "connections a second")
	o.registerSource(cmd)
	o.tls.Register(cmd)
	app.CompleteFlag(cmd, "concurrency")
}

func (o *churnOptions) checkChurn() error {
	if o.connections > maxConcurrency {
		return app.Usagef("--concurrency %d is not possible; give 1 to %d", o.connections, maxConcurrency)
	}
	return o.check(0, maxBenchBytes)
}

// churn opens and closes connections all the time.
type churn struct {
	*benchmark
	options  churnOptions
	pattern  pattern
	from     time.Duration // it begins
	warm     time.Duration // measuring begins
	cycles   *latencies
	connects *latencies

	next       atomic.Int64 // the number of the next cycle
	done       atomic.Int64 // successful cycles that were due after the warmup
	unfinished atomic.Int64 // cycles that were due and that the end cut short
	works      atomic.Bool  // a cycle has succeeded
	misses     atomic.Int64 // failures since then
}

func newChurn(b *benchmark, o churnOptions) *churn {
	return &churn{benchmark: b, options: o, pattern: newPattern(), cycles: newLatencies(), connects: newLatencies()}
}

func (c *churn) begin(warmup time.Duration) {
	c.from = c.now()
	c.warm = c.from + warmup
}

// measure churns until the time is over or ctx ends.
func (c *churn) measure(ctx context.Context) {
	cutting, cut := context.WithCancel(context.Background())
	defer cut()
	c.run(ctx, c.warm+c.options.duration, func() {
		var workers sync.WaitGroup
		for i := range c.options.connections {
			workers.Go(func() { c.work(cutting, i) })
		}
		workers.Wait()
	}, cut)
	c.settle(c.now())
}

func (c *churn) progress() (float64, string) {
	now, n := c.now(), c.done.Load()
	text := "warming up"
	if now > c.warm {
		text = fmt.Sprintf("%s connections, %s", countText(n), rateText(perSecond(n, now-c.warm)))
	}
	return float64(now-c.from) / float64(c.warm-c.from+c.options.duration), text
}

// due is when cycle k is to begin; without a rate, now.
func (c *churn) due(k int64) time.Duration {
	if c.options.rate == 0 {
		return c.now()
	}
	return c.from + time.Duration(float64(k)/c.options.rate*float64(time.Second))
}

// work does one cycle after another. The goroutines take cycles in turn, so that late ones are done first.
func (c *churn) work(cutting context.Context, worker int) {
	buffer := make([]byte, min(max(c.options.size, 1), maxReadBuffer))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !c.stopping() && !c.hopeless() {
		number := c.next.Add(1) - 1
		due := c.due(number)
		if c.ended(due) {
			<-c.stopped // the time until then is measured too
			return
		}
		if !c.sleepUntil(due, timer) {
			return
		}
		c.count(due, c.cycle(cutting, number, due, buffer), c.cycles.shard(worker))
	}
}

// hopeless reports whether many attempts have been made and none has succeeded.
func (c *churn) hopeless() bool { return !c.works.Load() && c.misses.Load() >= maxDialers }

// count records the result of a cycle.
func (c *churn) count(due time.Duration, err error, cycles *latencyShard) {
	now := c.now()
	switch {
	case errors.Is(err, errCut):
		if due >= c.warm {
			c.unfinished.Add(1)
			cycles.record(now - due)
		}
	case err != nil:
		c.failures.add(err)
		c.pause()
	default:
		c.works.Store(true)
		c.misses.Store(0)
		if due >= c.warm {
			c.done.Add(1)
			cycles.mu.Lock()
			cycles.add(now - due)
			cycles.last = max(cycles.last, now)
			cycles.mu.Unlock()
		}
	}
}

// errCut marks a cycle that the end cut short.
var errCut = errors.New("cut off")

// cycle opens a connection, echoes, and closes it.
func (c *churn) cycle(cutting context.Context, number int64, due time.Duration, buffer []byte) error {
	ctx, cancel := context.WithTimeout(cutting, c.app.Timeout)
	defer cancel()
	begun := c.now()
	socket, err := c.connect(ctx, int(number%maxSources))
	if err == nil {
		if due >= c.warm {
			c.connects.shard(int(number % maxSources)).record(c.now() - begun)
		}
		defer context.AfterFunc(ctx, func() { _ = socket.SetDeadline(past) })()
		err = c.echo(socket, number, buffer)
		if c.options.reset {
			setLinger(socket)
		}
		_ = socket.Close()
	}
	if err != nil && cutting.Err() != nil {
		return errCut
	}
	return err
}

// setLinger makes Close send a reset, on sockets that can.
func setLinger(socket net.Conn) {
	if secure, ok := socket.(*tls.Conn); ok {
		socket = secure.NetConn()
	}
	if tcp, ok := socket.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// echo sends the bytes and compares those that come back. It writes no more at once than any socket can hold.
func (c *churn) echo(socket net.Conn, offset int64, buffer []byte) error {
	size := int64(c.options.size)
	for sent := int64(0); sent < size; {
		n := min(size-sent, lockstepBytes)
		if err := c.pattern.write(socket, offset+sent, n); err != nil {
			return err
		}
		if err := c.expect(socket, offset+sent, n, buffer); err != nil {
			return err
		}
		sent += n
	}
	return nil
}

func (c *churn) expect(socket io.Reader, offset, n int64, buffer []byte) error {
	for n > 0 {
		got, err := socket.Read(buffer[:min(n, int64(len(buffer)))])
		if wrong := c.pattern.check(offset, buffer[:got]); wrong != nil {
			return &mismatchError{wrong.Error() + ": " + c.address + notAnEcho}
		}
		offset, n = offset+int64(got), n-int64(got)
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}

// notAnEcho explains wrong bytes.
const notAnEcho = " does not send back just what it receives (a gateway's --greeting and --echo-prefix add to it)"

// pause keeps failures in a row from becoming a busy loop: nothing at first, then 1 ms and at most 100 ms.
func (c *churn) pause() {
	n := c.misses.Add(1)
	if n <= int64(c.options.connections) {
		return
	}
	timer := time.NewTimer(min(time.Duration(n/int64(c.options.connections))*time.Millisecond, 100*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.stopped:
	}
}

// settle counts the cycles that were due by the end and were never begun.
func (c *churn) settle(at time.Duration) {
	if c.options.rate == 0 {
		return
	}
	for k := c.next.Load(); !c.ended(c.due(k)); k++ {
		if due := c.due(k); due >= c.warm {
			c.unfinished.Add(1)
			c.cycles.shard(0).record(at - due)
		}
	}
}
