//go:build linux

package siege

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	// messageSize is the length of a client's message.
	messageSize = 64
	// patience is how long a client or a caller waits for an answer.
	patience = 10 * time.Second
)

// Clients are established clients of the echo listener. Each sends a message at fixed times and expects it back. An
// echo's time counts from when its message was due, so that a message that waits for the one before counts as late.
type Clients struct {
	Echoes Record

	conns []net.Conn
	every time.Duration
	done  sync.WaitGroup
	stop  context.CancelFunc
}

// Connect connects n clients, which send rate messages a second in all until Close.
func Connect(ctx context.Context, address string, n int, rate float64) (*Clients, error) {
	c := &Clients{every: time.Duration(float64(n) / rate * float64(time.Second))}
	ctx, c.stop = context.WithCancel(ctx)
	for range n {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.conns = append(c.conns, conn)
	}
	for i, conn := range c.conns {
		c.done.Go(func() { c.echo(ctx, conn, i) })
	}
	return c, nil
}

// echo is one client. Its connection ends at its first failure: what comes after that is not in order.
func (c *Clients) echo(ctx context.Context, conn net.Conn, number int) {
	due := time.Now().Add(rand.N(c.every))
	sent, got := make([]byte, messageSize), make([]byte, messageSize)
	binary.BigEndian.PutUint64(sent, uint64(number))
	for turn := uint64(0); sleepUntil(ctx, due); turn++ {
		binary.BigEndian.PutUint64(sent[8:], turn)
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err := conn.Write(sent)
		if err == nil {
			_, err = io.ReadFull(conn, got)
		}
		if err == nil && !bytes.Equal(sent, got) {
			err = errors.New("other bytes came back than were sent")
		}
		if ctx.Err() != nil {
			return
		}
		if c.Echoes.Add(time.Since(due), wrap(err, "client %d", number)); err != nil {
			return
		}
		due = due.Add(c.every)
	}
}

// Close ends the clients.
func (c *Clients) Close() {
	c.stop()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.done.Wait()
}

// sleepUntil sleeps, and reports whether the context is not over.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
