package load

import (
	"context"
	"crypto/tls"
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
	blocked  bool   // the kernel takes no more for now: the connection waits for EPOLLOUT
	out, in  int    // bytes written of message number sent, and read of message number received
	due      uint64 // messages that may be written by now
	base     uint64 // those of them that belong to earlier runs
	sent     uint64
	received uint64
	since    time.Duration // when the last message was begun
	session  *session      // nil without TLS
}

// Client is a set of connections to one server. One goroutine at a time may use it.
type Client struct {
	server  target
	tls     *tls.Config // nil: plain TCP
	poll    *poller
	conns   []conn
	message *message
	buffer  []byte
	start   time.Time
	last    time.Duration // when bytes last came, for patience
}

// NewClient returns a client without connections, for messages of size bytes, from MinMessage to MaxMessage.
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

// NewTLSClient is NewClient for connections that speak TLS 1.3, for Echo, EchoOnce and Fixed. They do the same as plain
// ones, on the same one thread, so that a measurement differs by the TLS only. But the load's own part of TLS makes it
// the slower side more often. config is not modified.
func NewTLSClient(server netip.AddrPort, size int, config *tls.Config) (*Client, error) {
	l, err := NewClient(server, size)
	if err == nil {
		l.tls = config
	}
	return l, err
}

// Close ends the connections.
func (l *Client) Close() {
	for i := range l.conns {
		abort(int(l.conns[i].fd))
	}
	l.conns = nil
	l.poll.close()
}

// Toward makes later connections of Open go to another server.
func (l *Client) Toward(server netip.AddrPort) (err error) {
	l.server, err = newTarget(server)
	return err
}

// Len returns the number of connections.
func (l *Client) Len() int { return len(l.conns) }

// now returns the time since the client was made. It is cheaper than time.Now: it reads one clock instead of two.
func (l *Client) now() time.Duration { return time.Since(l.start) }

// Open makes n more connections, and returns when the kernel has made them all; the server may not have accepted them
// yet. With TLS it makes the handshakes one after the other, and returns after the last.
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
			if err := l.made(ctx, waiting); err != nil {
				return err
			}
			waiting = 0
		}
	}
	return l.made(ctx, waiting)
}

// made waits until the last n connections are made, with their handshakes.
func (l *Client) made(ctx context.Context, n int) error {
	if err := l.connected(ctx, n); err != nil || l.tls == nil {
		return err
	}
	for i := len(l.conns) - n; i < len(l.conns); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if l.conns[i].session, err = newSession(l.conns[i].fd, l.tls); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
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

// wait returns events, or an error when none come within patience.
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

// put writes on a connection. room is false when the kernel takes no more for now.
func (c *conn) put(p []byte) (n int, room bool, err error) {
	if c.session != nil {
		return c.session.put(p)
	}
	n, errno := rawWrite(c.fd, p)
	if again(errno) {
		return 0, false, nil
	}
	if errno != 0 {
		return 0, false, errno
	}
	return n, true, nil
}

// flush writes the bytes of TLS that the kernel did not take before, and reports whether it has taken them all now.
func (c *conn) flush() (room bool, err error) {
	if c.session == nil {
		return true, nil
	}
	return c.session.wire.flush()
}

// write writes the messages that are due on a connection, as far as the kernel takes them.
func (l *Client) write(i int) error {
	c := &l.conns[i]
	room, err := c.flush()
	for err == nil && room && c.sent < c.due {
		var n int
		n, room, err = c.put(l.message.from(c.out, i, c.sent))
		if c.out += n; c.out == len(l.message.bytes) {
			c.out = 0
			c.sent++
		}
	}
	if err != nil {
		return fmt.Errorf("writing on connection %d: %w", i, err)
	}
	return l.block(i, !room)
}

// block makes a connection wait until the kernel takes bytes again, or ends that wait.
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

// fill reads once from a connection. No bytes and no error mean that none have come yet.
func (l *Client) fill(i int) ([]byte, error) {
	n, err := l.conns[i].get(l.buffer)
	if err != nil {
		return nil, fmt.Errorf("reading on connection %d: %w", i, err)
	}
	return l.buffer[:n], nil
}

// get reads once from the socket. No bytes and no error mean that none have come yet.
func (c *conn) get(p []byte) (int, error) {
	if c.session != nil {
		return c.session.fill(p)
	}
	n, errno := rawRead(c.fd, p)
	switch {
	case errno == 0 && n > 0:
		return n, nil
	case errno == 0:
		return 0, errEnded
	case again(errno):
		return 0, nil
	default:
		return 0, errno
	}
}

// read reads from a connection, compares, and returns how many messages that completed. Without TLS it reads once. With
// TLS it reads until no bytes are left, because bytes that TLS has read from the kernel make no further event.
func (l *Client) read(i int) (int, error) {
	for completed := 0; ; {
		p, err := l.fill(i)
		if err != nil {
			return completed, err
		}
		n, err := l.compare(i, p)
		completed += n
		if err != nil || len(p) == 0 || l.conns[i].session == nil {
			return completed, err
		}
	}
}

// compare compares bytes that came on a connection with the bytes expected next, and returns how many messages they
// completed.
func (l *Client) compare(i int, p []byte) (completed int, err error) {
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
	return completed, nil
}
