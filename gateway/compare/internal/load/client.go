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

// patience is how long a server may leave the load without any progress.
const patience = 10 * time.Second

// conn is one connection of the load.
type conn struct {
	fd       int32
	blocked  bool   // the kernel takes no more now: EPOLLOUT is waited for
	out, in  int    // how much of message sent has been written, and of message received read
	due      uint64 // messages that may be written by now
	sent     uint64
	received uint64
	since    time.Duration // when the last message was begun
}

// Client is a set of connections to one server. One goroutine at a time may use it.
type Client struct {
	server  target
	poll    *poller
	conns   []conn
	message *message
	buffer  []byte
	start   time.Time
	last    time.Duration // when anything last came, for patience
}

// NewClient returns a client without connections, for messages of so many bytes.
func NewClient(server netip.AddrPort, size int) (*Client, error) {
	t, err := newTarget(server)
	if err != nil {
		return nil, err
	}
	m, err := newMessage(size)
	if err != nil {
		return nil, err
	}
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &Client{server: t, poll: p, message: m, buffer: make([]byte, 64<<10), start: time.Now()}, nil
}

// Close ends the connections.
func (l *Client) Close() {
	for i := range l.conns {
		abort(int(l.conns[i].fd))
	}
	l.conns = nil
	l.poll.close()
}

// Len returns the number of connections.
func (l *Client) Len() int { return len(l.conns) }

// now is cheaper than time.Now: one clock instead of two.
func (l *Client) now() time.Duration { return time.Since(l.start) }

// Open makes n more connections, and returns when the kernel has them all; the server may not have accepted them yet.
func (l *Client) Open(ctx context.Context, n int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	waiting := 0
	for range n {
		fd, err := l.server.connect()
		if err != nil {
			return err
		}
		l.conns = append(l.conns, conn{fd: int32(fd)})
		if err := l.poll.control(unix.EPOLL_CTL_ADD, fd, len(l.conns)-1, unix.EPOLLOUT); err != nil {
			return err
		}
		if waiting++; waiting == 64 {
			if err := l.connected(ctx, waiting); err != nil {
				return err
			}
			waiting = 0
		}
	}
	return l.connected(ctx, waiting)
}

// connected waits until n connections are made.
func (l *Client) connected(ctx context.Context, n int) error {
	l.last = l.now()
	for n > 0 {
		events, err := l.wait(ctx)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		for i := range events {
			if events[i].Events&unix.EPOLLOUT == 0 {
				continue // an older connection, which can wait
			}
			index := int(events[i].Fd)
			fd := int(l.conns[index].fd)
			code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err == nil && code != 0 {
				err = unix.Errno(code)
			}
			if err == nil {
				err = l.poll.control(unix.EPOLL_CTL_MOD, fd, index, unix.EPOLLIN)
			}
			if err != nil {
				return fmt.Errorf("connecting: %w", err)
			}
			n--
		}
	}
	return nil
}

// wait returns events, or an error when none come for so long that none will.
func (l *Client) wait(ctx context.Context) ([]unix.EpollEvent, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		events, err := l.poll.wait(10 * time.Millisecond)
		if err != nil || len(events) > 0 {
			l.last = l.now()
			return events, err
		}
		if l.now() > l.last+patience {
			return nil, fmt.Errorf("nothing came for %s", patience)
		}
	}
}

// write writes what is due on a connection, as far as the kernel takes it.
func (l *Client) write(i int) error {
	c := &l.conns[i]
	for c.sent < c.due {
		p := l.message.from(c.out, i, c.sent)
		n, errno := rawWrite(c.fd, p)
		switch {
		case errno == 0 && n == len(p):
			c.out = 0
			c.sent++
		case errno == 0:
			c.out += n
		case again(errno):
			return l.block(i, true)
		default:
			return fmt.Errorf("writing on connection %d: %w", i, errno)
		}
	}
	return l.block(i, false)
}

// block waits for room in the kernel at a connection, or no longer.
func (l *Client) block(i int, blocked bool) error {
	c := &l.conns[i]
	if c.blocked == blocked {
		return nil
	}
	c.blocked = blocked
	events := uint32(unix.EPOLLIN)
	if blocked {
		events |= unix.EPOLLOUT
	}
	return l.poll.control(unix.EPOLL_CTL_MOD, int(c.fd), i, events)
}

var errEnded = errors.New("the server ended the connection")

// fill reads once from a connection. No bytes and no error: there are none now.
func (l *Client) fill(i int) ([]byte, error) {
	n, errno := rawRead(l.conns[i].fd, l.buffer)
	switch {
	case errno == 0 && n > 0:
		return l.buffer[:n], nil
	case errno == 0:
		return nil, fmt.Errorf("reading on connection %d: %w", i, errEnded)
	case again(errno):
		return nil, nil
	default:
		return nil, fmt.Errorf("reading on connection %d: %w", i, errno)
	}
}

// read reads once from a connection, compares, and returns how many messages that completed.
func (l *Client) read(i int) (completed int, err error) {
	p, err := l.fill(i)
	c := &l.conns[i]
	for len(p) > 0 {
		k := min(len(p), len(l.message.bytes)-c.in)
		if c.received == c.due || !l.message.matches(p[:k], c.in, i, c.received) {
			return completed, fmt.Errorf("connection %d: what came back as message %d is not what was sent", i, c.received)
		}
		p = p[k:]
		if c.in += k; c.in == len(l.message.bytes) {
			c.in = 0
			c.received++
			completed++
		}
	}
	return completed, err
}
