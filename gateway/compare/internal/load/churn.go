package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Churn opens connections, so many at a time, echoes one message of size bytes on each, finishes writing, waits until
// the server has finished too, and closes. The result counts whole lives of connections; Latency has the time of each.
func Churn(ctx context.Context, server netip.AddrPort, parallel, size int, w Window) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	client, err := NewClient(server, size)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	r := &churn{run{Client: client, result: Result{Latency: newHistogram()}}}
	r.conns = make([]conn, parallel)
	for i := range r.conns {
		r.conns[i].fd = -1
	}
	for i := range r.conns {
		if err := r.open(i); err != nil {
			return Result{}, err
		}
	}
	return r.drive(ctx, w)
}

// churn is a run whose connections end and are replaced. A conn is a place: its sent and received count the messages of
// all connections in that place.
type churn struct{ run }

func (r *churn) drive(ctx context.Context, w Window) (Result, error) {
	r.last = r.now()
	for {
		now := r.now()
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

// step takes the events that have come.
func (r *churn) step(now time.Duration) error {
	events, err := r.poll.wait(10 * time.Millisecond)
	if err != nil {
		return err
	}
	if len(events) > 0 {
		r.last = now
	} else if now > r.last+patience {
		return fmt.Errorf("nothing came for %s", patience)
	}
	for i := range events {
		if err := r.live(int(events[i].Fd)); err != nil {
			return err
		}
	}
	return nil
}

// open starts the next connection in a place.
func (r *churn) open(i int) error {
	c := &r.conns[i]
	c.since = r.now()
	fd, err := r.server.connect()
	if err != nil {
		return err
	}
	c.fd = int32(fd)
	c.due++
	// Edge-triggered, so that one registration serves the whole life.
	return r.poll.control(unix.EPOLL_CTL_ADD, fd, i, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

// live advances a connection's life as far as it can: it writes the message when the connection is made, reads it back,
// finishes writing, and closes and opens the next one when the server has finished too.
func (r *churn) live(i int) error {
	c := &r.conns[i]
	for c.sent < c.due {
		p := r.message.from(c.out, i, c.sent)
		n, errno := rawWrite(c.fd, p)
		if again(errno) {
			return nil
		}
		if errno != 0 {
			return fmt.Errorf("writing on a new connection: %w", errno)
		}
		if c.out += n; n == len(p) {
			c.out = 0
			c.sent++
		}
	}
	for {
		finished, before := c.received == c.due, c.in
		n, err := r.read(i)
		switch {
		case finished && errors.Is(err, errEnded):
			return r.ended(i)
		case err != nil:
			return err
		case n == 1:
			if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
				return fmt.Errorf("finishing connection %d: %w", i, err)
			}
			return nil // the server's end makes an event
		case c.in == before:
			return nil // no more has come yet
		}
	}
}

// ended closes a connection that both sides have finished.
func (r *churn) ended(i int) error {
	c := &r.conns[i]
	_ = unix.Close(int(c.fd))
	c.fd = -1
	if r.measured {
		r.result.Messages++
		if err := r.result.Latency.RecordValue(int64(r.now() - c.since)); err != nil {
			return err
		}
	}
	return r.open(i)
}
