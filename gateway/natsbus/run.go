package natsbus

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Delays between attempts to connect.
const (
	minDelay = time.Second
	maxDelay = 30 * time.Second
)

// delay returns the time to wait before the next attempt to connect, after a number of attempts without a connection.
// It is random, from 1 s to a bound that doubles up to 30 s. Chance keeps the nodes of a fleet from reconnecting all at
// once.
func delay(attempts int) time.Duration {
	most := min(minDelay<<min(attempts, 10), maxDelay)
	return minDelay + rand.N(most-minDelay+1)
}

// client is a connection of the NATS library. It reconnects by itself until it is closed. run closes it, or it closes
// itself when a server sends an error that the library does not know.
type client struct {
	*nats.Conn
	closed chan struct{}  // closed when the connection is, after its last callback
	serves sync.WaitGroup // the subscriptions' goroutines
}

// run owns the connection until Close. No other goroutine makes a call that takes the connection's lock.
func (b *Bus) run(options func() nats.Options) {
	defer close(b.ended)
	for attempts := 1; ; attempts++ {
		c, err := b.connect(options())
		if err != nil {
			b.failed(err)
		} else {
			b.serve(c)
			c.Close()
			<-c.closed
			c.serves.Wait()
		}
		if !b.pause(delay(attempts)) {
			return
		}
	}
}

// connect makes a connection, or begins to: if it fails, the library goes on trying. It opens every subscription on the
// connection.
func (b *Bus) connect(o nats.Options) (*client, error) {
	c := &client{closed: make(chan struct{})}
	o.ClosedCB = func(*nats.Conn) {
		b.disconnected(nil)
		close(c.closed)
	}
	var err error
	if c.Conn, err = o.Connect(); err != nil {
		return nil, err
	}
	for _, s := range b.subscriptions() {
		b.open(c, s)
	}
	return c, nil
}

// pause waits before the next client is made, and meanwhile does the work that needs no connection. It returns false if
// the bus is closed.
func (b *Bus) pause(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		batch, closed := b.outbox.take()
		for i := range batch {
			b.do(nil, &batch[i])
		}
		if closed {
			return false
		}
		select {
		case <-timer.C:
			return true
		case <-b.outbox.more:
		}
	}
}

// serve does the work until the bus or the connection is closed.
func (b *Bus) serve(c *client) {
	for {
		batch, closed := b.outbox.take()
		for i := range batch {
			b.do(c, &batch[i])
		}
		if closed && b.Status().Connected {
			_ = c.FlushTimeout(closeTimeout) // messages that are left then are lost: no caller is left to be told
		}
		if closed {
			return
		}
		select {
		case <-c.closed:
			return
		case <-b.outbox.more:
		}
	}
}

// do does one piece of work. c is nil if there is no client.
func (b *Bus) do(c *client, w *work) {
	if w.do != nil {
		w.do(c)
		return
	}
	defer b.outbox.written(w)
	err := errNotConnected
	if c != nil && b.current(w.life) {
		err = c.Publish(w.subject, w.data)
	}
	if err != nil {
		b.unsent(1, err)
	}
}

// errNotConnected is the reason for not sending a message whose connection was lost after it was published.
var errNotConnected = errors.New("the connection was lost before it went out")

// unsent counts messages that were taken and not sent, and logs the count at intervals.
func (b *Bus) unsent(messages int, err error) {
	total := b.lost.Add(uint64(messages))
	if messages > 0 && b.due.due("unsent") {
		b.log.Warn("messages to other nodes were not sent: callers that wait for an answer are told that none came",
			"total", total, "reason", problem(err))
	}
}

// subscriptions returns a copy of the list of all subscriptions.
func (b *Bus) subscriptions() []*subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.all)
}
