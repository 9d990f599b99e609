package transport_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// tlsShare divides the number of connections with TLS, whose handshakes take most of the time.
const tlsShare = 50

var opens = flag.Int("opens", usualOpens(),
	"connections that TestDescriptorReuse opens on each engine and kind of socket")

func usualOpens() int {
	if os.Getenv("LONG_TESTS") != "" {
		return 10_000
	}
	return 3_000
}

// tagged is an endpoint that sends only frames with its own tag. It keeps the rules of Socket as the server's
// connections do, with one exception: it goes on calling the socket after it is closed.
type tagged struct {
	socket transport.Socket
	frame  [8]byte

	mu       sync.Mutex
	opened   bool
	closed   bool
	flushing bool
	rest     []byte // the rest of a frame that the kernel did not take whole
}

func (e *tagged) Opened() {
	e.mu.Lock()
	e.opened = true
	e.mu.Unlock()
	e.send(nil)
}

func (e *tagged) Received([]byte, transport.Moment) { e.send(nil) }
func (e *tagged) Ended()                            { e.socket.Close(false) }
func (e *tagged) Failed(error)                      { e.socket.Close(false) }

func (e *tagged) Closed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
}

func (e *tagged) NextWrite() ([]byte, transport.Moment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flushing = len(e.rest) > 0
	return e.rest, in(time.Minute)
}

func (e *tagged) Wrote(n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rest = e.rest[n:]; err != nil {
		e.rest = nil
	}
}

// send writes a frame. On a closed socket no byte may be taken.
func (e *tagged) send(t *testing.T) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.opened || e.flushing {
		return
	}
	n, err := e.socket.TryWrite(e.frame[:])
	if t != nil && e.closed && (n != 0 || err == nil) {
		t.Errorf("a closed socket took %d bytes, %v", n, err)
	}
	if err == nil && n < len(e.frame) {
		e.rest = e.frame[n:]
		e.flushing = e.socket.Flush()
	}
}

// crowd is an admission that remembers the newest sockets for mayhem, and closes the oldest of them for each new one.
type crowd struct {
	tags atomic.Uint64

	mu   sync.Mutex
	last [64]*tagged
	next int
	shut bool // no more connections are admitted; some handshakes end late
}

func (c *crowd) AcceptFailed(error) time.Duration { return time.Millisecond }

func (c *crowd) Admit(s transport.Socket, _, _ netip.AddrPort) transport.Endpoint {
	e := &tagged{socket: s}
	binary.BigEndian.PutUint64(e.frame[:], c.tags.Add(1))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return nil
	}
	if old := c.last[c.next]; old != nil {
		old.socket.Close(false)
	}
	c.last[c.next] = e
	c.next = (c.next + 1) % len(c.last)
	return e
}

func (c *crowd) any() *tagged {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last[rand.IntN(len(c.last))]
}

// shutAndClose stops admitting, and closes the last sockets.
func (c *crowd) shutAndClose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut = true
	for _, old := range c.last {
		if old != nil {
			old.socket.Close(false)
		}
	}
}

// mayhem calls open, closing and closed sockets in random order, until stop closes.
func (c *crowd) mayhem(t *testing.T, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		e := c.any()
		if e == nil {
			continue
		}
		switch n := rand.IntN(100); {
		case n < 70:
			e.send(t)
		case n < 76:
			e.socket.Close(false)
		case n < 82:
			e.socket.Close(true)
		case n < 86:
			e.socket.Pause()
		case n < 92:
			e.socket.Resume()
		case n < 96:
			e.socket.Unacknowledged()
		default:
			e.mu.Lock()
			if e.opened {
				_ = e.socket.CloseWrite() // fails when it is closed
			}
			e.mu.Unlock()
		}
	}
}

// Several goroutines write to sockets, kick and pause them, while sockets open and close and descriptors are used
// again. No byte reaches another peer: each peer reads the frames of one tag only, and no other peer reads that tag.
//
// The long run is go test -run DescriptorReuse -opens 1000000.
func TestDescriptorReuse(t *testing.T) {
	processors := runtime.GOMAXPROCS(8) // so that the loops do not wait until mayhem's turn is over
	defer runtime.GOMAXPROCS(processors)
	each(t, []string{"tcp", "unix"}, func(t *testing.T, e transport.Engine, network string) {
		ln, dial := listen(t, network)
		c := &crowd{}
		a, err := e.Accept(ln, c)
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var working, calling sync.WaitGroup
		for range 2 {
			calling.Go(func() { c.mayhem(t, stop) })
		}
		var seen sync.Map // tag → true when a peer has read it
		var left atomic.Int64
		left.Store(int64(*opens))
		if strings.Contains(network, "+") {
			left.Store(int64(*opens / tlsShare))
		}
		for range 4 {
			working.Go(func() {
				for left.Add(-1) >= 0 && !t.Failed() {
					visit(t, dial, &seen)
				}
			})
		}
		working.Wait()
		close(stop)
		calling.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		c.shutAndClose()
		e.Wait()
	})
}

// visit connects, reads for a while, and checks that all frames have one tag, which no other peer has read.
func visit(t *testing.T, dial func() (net.Conn, error), seen *sync.Map) {
	c, err := dial()
	// It was kicked already.
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if tcp, ok := raw(c).(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that its port is free at once
	}
	_ = c.SetReadDeadline(time.Now().Add(safety))
	if rand.IntN(2) == 0 {
		_, _ = c.Write([]byte("data")) // may meet a closed socket
	}
	var buffer [4096]byte
	var tag uint64
	part := 0
	for range 1 + rand.IntN(3) {
		n, err := c.Read(buffer[part:])
		n += part
		for part = 0; n-part >= 8; part += 8 {
			got := binary.BigEndian.Uint64(buffer[part:])
			if tag != 0 && got != tag || got == 0 {
				t.Errorf("a peer read frames of %d and of %d", tag, got)
				return
			}
			tag = got
		}
		part = copy(buffer[:], buffer[part:n])
		if err != nil {
			break
		}
	}
	if tag == 0 {
		return
	}
	if _, twice := seen.LoadOrStore(tag, true); twice {
		t.Errorf("two peers read frames of %d", tag)
	}
}
