package bench

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// handlerConn is one connection of `ctl bench handler`: one goroutine writes, and another reads.
type handlerConn struct {
	bench  *handlerBench
	socket net.Conn
	number int

	mu       sync.Mutex
	messages *sequence
	heard    time.Duration // when the last answer came
	pause    time.Duration // the longest time without an answer while one was due

	slot     chan struct{} // something was answered
	gone     chan struct{} // closed: nothing is read any more
	finished atomic.Bool   // nothing more is sent
	bows     sync.Once
	fails    sync.Once
	closed   atomic.Bool // the gateway closed it
	unsent   int64       // messages that were due; read when run has returned
}

func newHandlerConn(h *handlerBench, number int, socket net.Conn) *handlerConn {
	return &handlerConn{bench: h, socket: socket, number: number,
		messages: newSequence(int64(number), h.pattern, h.options.size, h.options.inFlight),
		slot:     make(chan struct{}, 1), gone: make(chan struct{})}
}

// run sends and receives until the end, or until the connection breaks.
func (c *handlerConn) run() {
	var reader sync.WaitGroup
	reader.Go(c.read)
	c.send()
	c.finished.Store(true)
	if c.complete() {
		c.bow()
	}
	reader.Wait()
}

// send sends each message when it is due, or as soon after that as there is room.
func (c *handlerConn) send() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	message := make([]byte, c.bench.options.size)
	for c.awaitRoom() {
		at, more := c.next(timer)
		if !more {
			return
		}
		c.mu.Lock()
		c.messages.fill(message, c.messages.begin(at))
		c.mu.Unlock()
		if _, err := c.socket.Write(message); err != nil {
			c.fail(err)
			return
		}
	}
}

// awaitRoom waits until a message may be sent; false: none will be.
func (c *handlerConn) awaitRoom() bool {
	for !c.room() {
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

func (c *handlerConn) room() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.messages.room()
}

// next waits until the next message is to be sent, and returns when it is or was due; false: none is any more.
func (c *handlerConn) next(timer *time.Timer) (at time.Duration, more bool) {
	if c.bench.options.rate == 0 {
		now := c.bench.now()
		return now, !c.bench.ended(now)
	}
	due := c.bench.due(c.number, c.messages.sent) // only this goroutine writes sent
	if !c.bench.ended(due) && c.bench.awaitDue(due, timer, c.gone) {
		return due, true
	}
	select {
	case <-c.bench.stopped: // the time until the end is measured too
	case <-c.gone:
	}
	return 0, false
}

// read receives until the connection ends.
func (c *handlerConn) read() {
	defer close(c.gone)
	reader := bufio.NewReaderSize(c.socket, c.bench.readBuffer())
	message := make([]byte, c.bench.options.size)
	for {
		n, err := io.ReadFull(reader, message)
		if err != nil {
			c.end(n, err)
			return
		}
		if err := c.take(message, c.bench.now()); err != nil {
			c.fail(err)
			return
		}
		select {
		case c.slot <- struct{}{}:
		default:
		}
		if c.finished.Load() && c.complete() {
			c.bow()
		}
	}
}

// take checks one message, which came now, and records its latency and the pause before it.
func (c *handlerConn) take(message []byte, now time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.messages.waiting()
	at, first, err := c.messages.take(message)
	if err != nil {
		return &mismatchError{err.Error() + notExact}
	}
	if !first {
		return nil
	}
	c.pause = max(c.pause, now-max(waiting, c.heard))
	c.heard = now
	if at >= c.bench.warm {
		c.bench.record(c.number, at, now)
	}
	return nil
}

// notExact explains wrong bytes.
const notExact = ": a part of a message was lost or doubled, or the listener's frame or another program changes the " +
	"bytes"

// complete reports whether all messages so far are answered.
func (c *handlerConn) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.messages.unanswered() == 0
}

// bow ends the connection from this side when everything is answered. The reader then looks for answers that are too
// many, until the back end has closed too. A socket that cannot do that is read no more.
func (c *handlerConn) bow() {
	c.bows.Do(func() {
		if s, ok := c.socket.(interface{ CloseWrite() error }); ok {
			_ = s.CloseWrite()
			return
		}
		_ = c.socket.SetReadDeadline(past)
	})
}

// end judges the end of the stream, behind n bytes of a message.
func (c *handlerConn) end(n int, err error) {
	done := c.finished.Load() && c.complete()
	_, halves := c.socket.(interface{ CloseWrite() error })
	late := errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case done && n > 0:
		c.fail(&mismatchError{"more bytes came back than were sent"})
	case done && (errors.Is(err, io.EOF) || late && !halves):
	case late && !done && c.bench.stopping(): // what is not answered is lost
	default:
		c.fail(err)
	}
}

// fail counts the first failure of the connection, and closes it.
func (c *handlerConn) fail(err error) {
	c.fails.Do(func() {
		_ = c.socket.Close()
		if errors.Is(err, os.ErrDeadlineExceeded) && !c.complete() && c.bench.stopping() {
			return // the end cut a write short
		}
		if failureName(err) != failureMismatch {
			c.closed.Store(true)
		}
		c.bench.failures.add(err)
	})
}

// settle counts what a working connection still waited for at the end: as a pause, and as the latencies of messages
// that were due and not sent.
func (c *handlerConn) settle(at time.Duration) {
	m := c.messages
	if c.closed.Load() {
		return
	}
	if m.unanswered() > 0 {
		c.pause = max(c.pause, at-max(m.waiting(), c.heard))
	}
	if c.bench.options.rate == 0 {
		return
	}
	for k := m.sent; !c.bench.ended(c.bench.due(c.number, k)); k++ {
		c.unsent++
		if due := c.bench.due(c.number, k); due >= c.bench.warm {
			c.bench.trips.shard(c.number).record(at - due)
		}
	}
}
