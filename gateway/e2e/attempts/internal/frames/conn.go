// Package frames is a client of gRPC that writes its HTTP/2 frames by hand. It does what a polite client never does: it
// leaves calls unfinished, reads nothing, gives no window, and sends any frame as often as it likes.
package frames

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Config says how a connection behaves. The zero value grants the protocol's default windows and gives back all that it
// has read.
type Config struct {
	// Window is the first window of each stream: how much of a response the server may send before the client gives more.
	// Nil: the largest. A window that is set is never given back.
	Window *uint32
	// Unread leaves everything that the server sends in the kernel, whose buffer is as small as it can be.
	Unread bool
	// Ended is called for each stream that the server ends, with its status; "" for a reset. It must not block. Nil: none.
	Ended func(status, message string)
}

// largest is the largest window of HTTP/2.
const largest = 1<<31 - 1

// Conn is a connection. Writing is for one goroutine at a time; the connection's own goroutine reads.
type Conn struct {
	net    net.Conn
	config Config
	framer *http2.Framer

	writing sync.Mutex // of frames; header blocks and their encoder
	out     *bufio.Writer
	block   bytes.Buffer
	headers *hpack.Encoder
	next    uint32
	read    chan struct{} // closed when the reader has ended

	state windows
}

// Dial connects to a control plane, which has to be plain TCP.
func Dial(ctx context.Context, address string, config Config) (*Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &Conn{net: conn, config: config, out: bufio.NewWriterSize(conn, 64<<10), next: 1, read: make(chan struct{})}
	c.framer = http2.NewFramer(c.out, bufio.NewReaderSize(conn, 64<<10))
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.headers = hpack.NewEncoder(&c.block)
	c.state.init()
	if err := c.greet(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if config.Unread {
		_ = conn.(*net.TCPConn).SetReadBuffer(1) // the kernel makes it the least that there is
		close(c.read)
	} else {
		go c.readAll()
	}
	return c, nil
}

// greet sends the preface and the settings.
func (c *Conn) greet() error {
	if _, err := io.WriteString(c.out, http2.ClientPreface); err != nil {
		return err
	}
	window := uint32(largest)
	if c.config.Window != nil {
		window = *c.config.Window
	}
	if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window},
		http2.Setting{ID: http2.SettingEnablePush, Val: 0}); err != nil {
		return err
	}
	if err := c.framer.WriteWindowUpdate(0, largest-65535); err != nil {
		return err
	}
	return c.out.Flush()
}

// Close closes the connection, and waits until its reader has ended.
func (c *Conn) Close() {
	c.state.die(net.ErrClosed)
	_ = c.net.Close()
	<-c.read
}

// Write writes frames with the framer, and flushes them.
func (c *Conn) Write(frames func(f *http2.Framer) error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := frames(c.framer); err != nil {
		return err
	}
	return c.out.Flush()
}

// Raw writes bytes as they are, which need not be frames.
func (c *Conn) Raw(p []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.out.Write(p); err != nil {
		return err
	}
	return c.out.Flush()
}

// Dead reports why the connection is over; nil while it is not.
func (c *Conn) Dead() error {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.dead
}

// Wait waits until the connection or the context is over.
func (c *Conn) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-c.state.over:
	}
	return c.Dead()
}

func (c *Conn) String() string { return fmt.Sprintf("%s to %s", c.net.LocalAddr(), c.net.RemoteAddr()) }
