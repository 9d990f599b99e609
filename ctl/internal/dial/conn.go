package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/textcode"
)

const (
	backpressureAfter = 250 * time.Millisecond
	interruptGrace    = time.Second // how long a peer may take to end after an interrupt
)

// dialConn is one named connection. run reads, and a goroutine of its own writes; reading never waits for writing.
type dialConn struct {
	dialer *dialer
	name   string
	send   []byte      // the payload; nil means input
	input  chan []byte // chunks of stdin; closed at its end

	socket   net.Conn
	idle     idleTimer
	decoder  textcode.TextDecoder
	received int64
	sent     atomic.Int64

	finishing  chan struct{} // closed: finish writing behind the bytes that are being written
	finishOnce sync.Once
	written    chan struct{} // closed: nothing is written any more
	done       chan struct{} // closed: run has ended

	mu     sync.Mutex
	closed bool // we closed it: failures from now on are no errors
	failed bool // read only when run has returned
}

func newDialConn(d *dialer, name string, send []byte) *dialConn {
	return &dialConn{
		dialer: d, name: name, send: send,
		input:     make(chan []byte, dialQueue),
		decoder:   textcode.TextDecoder{Encoding: d.options.encoding},
		finishing: make(chan struct{}),
		written:   make(chan struct{}),
		done:      make(chan struct{}),
	}
}

// run lives the connection's life. It calls connected when it knows the outcome of connecting.
func (c *dialConn) run(ctx context.Context, connected func()) {
	defer close(c.done)
	if !c.connect(ctx) {
		close(c.written)
		connected()
		c.emit(dialEvent{Event: "close"})
		return
	}
	c.idle.start(c.dialer.options.idle, c.timedOut)
	defer context.AfterFunc(ctx, c.interrupted)()
	connected()
	go c.write()
	if c.read() {
		<-c.written
	}
	c.shut()
	<-c.written
	c.idle.stop()
	sent := c.sent.Load()
	c.emit(dialEvent{Event: "close", Received: &c.received, Sent: &sent})
}

// open reports whether the connection can take input.
func (c *dialConn) open() bool {
	select {
	case <-c.written:
		return false
	default:
		return true
	}
}

func (c *dialConn) connect(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: dialConnectTimeout}
	socket, err := dialer.DialContext(ctx, c.dialer.network, c.dialer.address)
	if err == nil {
		err = c.introduce(socket)
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, dialConnectTimeout)
		defer cancel()
		socket, err = app.Handshake(ctx, socket, c.dialer.secure)
	}
	if err != nil {
		c.fail(err)
		return false
	}
	c.socket = socket
	c.emit(dialEvent{Event: "connected", Local: addressText(socket.LocalAddr()), Remote: addressText(socket.RemoteAddr()),
		TLS: app.TLSVersion(socket)})
	return true
}

// introduce sends the PROXY header of --proxy-from, which comes before everything else. It closes a socket that does
// not take it.
func (c *dialConn) introduce(socket net.Conn) error {
	client, err := c.dialer.options.proxied()
	if err != nil || !client.IsValid() {
		return err
	}
	if _, err = io.WriteString(socket, proxyHeader(client, socket.RemoteAddr())); err != nil {
		_ = socket.Close()
	}
	return err
}

// proxyHeader is a header of version 1, from a client to a server. Where the server's address is of another family, or
// none, the client's own stands for it.
func proxyHeader(client netip.AddrPort, remote net.Addr) string {
	family, server := "TCP4", client
	if tcp, ok := remote.(*net.TCPAddr); ok && tcp.AddrPort().Addr().Unmap().Is4() == client.Addr().Is4() {
		server = netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap().WithZone(""), tcp.AddrPort().Port())
	}
	if !client.Addr().Is4() {
		family = "TCP6"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, client.Addr(), server.Addr(), client.Port(), server.Port())
}

// addressText is an address as the gateway shows it; the near end of a unix socket has none.
func addressText(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	return addr.String()
}

// read returns true at the peer's end, and false when the connection is broken or was closed.
func (c *dialConn) read() bool {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.socket.Read(buf)
		if n > 0 {
			c.received += int64(n)
			c.idle.touch()
			c.emitData(c.decoder.Decode(buf[:n]))
			if c.dialer.options.once {
				c.finish()
			}
		}
		if err == nil {
			continue
		}
		c.emitData(c.decoder.Flush())
		if !errors.Is(err, io.EOF) {
			c.fail(err)
			return false
		}
		c.emit(dialEvent{Event: "end"})
		if c.send != nil || !c.dialer.options.halfOpen {
			c.finish()
		}
		return true
	}
}

// finish asks for the end of writing, behind the bytes that are being written.
func (c *dialConn) finish() { c.finishOnce.Do(func() { close(c.finishing) }) }

// write sends the payload or stdin, and finishes when asked to or at the end of stdin.
func (c *dialConn) write() {
	defer close(c.written)
	err := c.writeAll(c.send)
	for more := true; more && err == nil; {
		more, err = c.writeNext()
	}
	if err == nil {
		err = c.closeWrite()
	}
	if err != nil {
		c.fail(err)
		c.shut()
	}
}

// closeWrite finishes writing. When the peer has gone altogether there is nothing left to finish. A peer of TLS
// mostly goes after its own end, and does not wait for ours.
func (c *dialConn) closeWrite() error {
	err := c.socket.(interface{ CloseWrite() error }).CloseWrite()
	_, secure := c.socket.(*tls.Conn)
	if errors.Is(err, syscall.ENOTCONN) || secure && (errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET)) {
		return nil
	}
	return err
}

// writeNext waits for a chunk of stdin and writes it; more is false when writing is to be finished.
func (c *dialConn) writeNext() (more bool, err error) {
	select {
	case <-c.finishing:
		return false, nil
	case chunk, ok := <-c.input:
		return ok, c.writeAll(chunk)
	}
}

// writeAll writes in chunks, so that progress shows as activity.
func (c *dialConn) writeAll(data []byte) error {
	for len(data) > 0 {
		n := min(len(data), dialChunk)
		if err := c.writeChunk(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// writeChunk writes, and reports when the peer makes it wait.
func (c *dialConn) writeChunk(p []byte) error {
	begun, told := time.Now(), make(chan struct{})
	timer := time.AfterFunc(backpressureAfter, func() {
		defer close(told)
		c.emit(dialEvent{Event: "backpressure"})
	})
	c.idle.touch()
	n, err := c.socket.Write(p)
	c.sent.Add(int64(n))
	c.idle.touch()
	if !timer.Stop() {
		<-told
		if err == nil {
			c.emit(dialEvent{Event: "drain", AfterMs: milliseconds(time.Since(begun))})
		}
	}
	return err
}

// timedOut is called once for each idle period.
func (c *dialConn) timedOut() {
	c.emit(dialEvent{Event: "timeout", AfterMs: milliseconds(c.dialer.options.idle)})
	if c.dialer.options.idleAction == "close" {
		c.shut()
	}
}

// interrupted finishes writing, and closes if the peer does not end for it.
func (c *dialConn) interrupted() {
	c.finish()
	grace := time.NewTimer(interruptGrace)
	defer grace.Stop()
	select {
	case <-c.done:
	case <-grace.C:
		c.shut()
	}
}

// fail prints the first error of the connection, unless our own close caused it.
func (c *dialConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.failed || errors.Is(err, context.Canceled) {
		return
	}
	c.failed = true
	c.emit(dialEvent{Event: "error", Error: err.Error()})
}

// shut closes the socket.
func (c *dialConn) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	_ = c.socket.Close()
	c.finish()
}

func (c *dialConn) emitData(text string) {
	if text != "" {
		c.emit(dialEvent{Event: "data", Data: &text, Encoding: c.decoder.Encoding})
	}
}

func (c *dialConn) emit(e dialEvent) {
	e.Name = c.name
	c.dialer.printer.print(e)
}

// idleTimer fires once for each period without a touch.
type idleTimer struct {
	mu    sync.Mutex
	after time.Duration
	timer *time.Timer // nil: off
}

func (t *idleTimer) start(after time.Duration, fire func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if after > 0 {
		t.after = after
		t.timer = time.AfterFunc(after, fire)
	}
}

func (t *idleTimer) touch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Reset(t.after)
	}
}

func (t *idleTimer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}
