package transport_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// splitter is a raw socket and the client's connection to it. It cuts the stream in both directions at any place,
// because it takes a random part of each write.
type splitter struct {
	mu       sync.Mutex
	changed  sync.Cond
	dice     *rand.Rand
	up, down []byte // up to the gateway, down to the client
	upEnd    bool   // the client has finished
	downEnd  bool   // the gateway has finished
	paused   bool
	flush    bool // asked for, or under way
	closed   bool
	breaks   bool // the next write of a flush takes a part, and then the socket closes
}

func newSplitter(seed uint64) *splitter {
	s := &splitter{dice: rand.New(rand.NewPCG(seed, 0))}
	s.changed.L = &s.mu
	return s
}

// some returns 0 to n, often little. The caller holds mu.
func (s *splitter) some(n int) int {
	if n > 1 && s.dice.IntN(2) == 0 {
		n = min(n, 1+s.dice.IntN(40))
	}
	return s.dice.IntN(n + 1)
}

// do runs f with mu held, and wakes all waiting goroutines.
func (s *splitter) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed.Broadcast()
}

// TryWrite takes some of p.
func (s *splitter) TryWrite(p []byte) (n int, err error) {
	s.do(func() {
		if s.closed {
			err = net.ErrClosed
			return
		}
		n = s.some(len(p))
		s.down = append(s.down, p[:n]...)
	})
	return n, err
}

func (s *splitter) Flush() (begun bool) {
	s.do(func() { begun = !s.closed; s.flush = begun })
	return begun
}

func (s *splitter) Pause()              { s.do(func() { s.paused = true }) }
func (s *splitter) Resume()             { s.do(func() { s.paused = false }) }
func (s *splitter) Unacknowledged() int { return -1 }
func (s *splitter) Gone() bool          { return false }
func (s *splitter) CloseWrite() error   { s.do(func() { s.downEnd = true }); return nil }
func (s *splitter) Close(bool)          { s.do(func() { s.closed, s.downEnd = true, true }) }

// client is the client's end of a splitter.
type client struct {
	net.Conn
	*splitter
}

func (c client) Close() error                     { c.do(func() { c.upEnd = true }); return nil }
func (c client) SetDeadline(time.Time) error      { return nil }
func (c client) SetWriteDeadline(time.Time) error { return nil }

func (c client) Write(p []byte) (int, error) {
	c.do(func() { c.up = append(c.up, p...) })
	return len(p), nil
}

func (c client) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.down) == 0 {
		if c.downEnd {
			return 0, io.EOF
		}
		c.changed.Wait()
	}
	n := copy(p, c.down)
	c.down = c.down[n:]
	return n, nil
}

// run is the raw socket's loop.
func (s *splitter) run(end transport.Endpoint) {
	end.Opened()
	for s.turn(end) {
	}
	end.Closed()
}

// turn makes the next call of the endpoint. It returns false when the socket is closed.
func (s *splitter) turn(end transport.Endpoint) bool {
	s.mu.Lock()
	mayRead := func() bool { return !s.paused && (len(s.up) > 0 || s.upEnd) }
	for !s.closed && !s.flush && !mayRead() {
		s.changed.Wait()
	}
	switch {
	case s.closed:
		s.mu.Unlock()
		return false
	case s.flush && (s.dice.IntN(2) == 0 || !mayRead()):
		s.flush = false // the endpoint may ask again as soon as NextWrite has returned nothing
		s.mu.Unlock()
		s.write(end)
	case len(s.up) > 0:
		n := max(1, s.some(min(len(s.up), 64<<10)))
		p := s.up[:n:n]
		s.up = s.up[n:]
		s.mu.Unlock()
		end.Received(p, clock.Now())
	default:
		s.upEnd = false
		s.mu.Unlock()
		end.Ended()
	}
	return true
}

// write does one write of a flush.
func (s *splitter) write(end transport.Endpoint) {
	p, _ := end.NextWrite()
	if len(p) == 0 {
		return
	}
	n := 0
	s.do(func() {
		n = max(1, s.some(len(p)))
		s.down = append(s.down, p[:n]...) // the client does not read it all if the socket breaks
		s.flush = true
		if s.breaks {
			n, s.closed, s.downEnd = len(p)/2, true, true
		}
	})
	end.Wrote(n, nil)
}

// splitHandshake gives its connection an echoer.
type splitHandshake struct {
	*echoes
	broken chan error
}

func (h *splitHandshake) Established(s transport.Socket, _ tls.ConnectionState) transport.Endpoint {
	e := h.Admit(s, netip.AddrPort{}, netip.AddrPort{}).(*echoer)
	e.stays = true // otherwise the part of close_notify that the splitter does not take would be lost
	return e
}

func (h *splitHandshake) Broken(err error) { h.broken <- err }
func (h *splitHandshake) GaveWay(int, int) {}

// recorded is a handshake that gives its connection a recorder.
type recorded struct {
	r           *recorder
	established func()
	failed      chan error
}

func (h *recorded) Established(s transport.Socket, _ tls.ConnectionState) transport.Endpoint {
	h.r.socket = s
	h.established()
	return h.r
}

func (h *recorded) Broken(err error) { h.failed <- err }
func (h *recorded) GaveWay(int, int) {}

// While a connection is handed over, its raw socket is paused. When the raw socket closes in the middle of a record,
// the endpoint learns the fate of its bytes before it learns of the end.
func TestHandedOverAndCut(t *testing.T) {
	layer := transport.NewTLS(clock, patience)
	s := newSplitter(1)
	h := &recorded{r: newRecorder(), failed: make(chan error, 1)}
	h.established = func() {
		s.do(func() {
			if !s.paused {
				t.Error("the raw socket reads while its connection is handed over")
			}
		})
	}
	var running sync.WaitGroup
	running.Go(func() { s.run(layer.Server(s, netip.Addr{}, serverConfig(), h)) })
	c := tls.Client(client{splitter: s}, clientConfig("TLS 1.3"))
	write(t, c, []byte("hello"))
	h.r.await(t, "hello", func() bool { return string(h.r.received) == "hello" })
	await(t, "the end of the flush", func() bool { return !transport.Holds(h.r.socket) })
	s.do(func() { s.breaks = true })
	h.r.send(make([]byte, 1000))
	h.r.awaitCall(t, "Closed")
	running.Wait()
	layer.Wait()
	h.r.expectCalls(t, "Opened", "Received", "Closed")
	if h.r.overlap.Load() || h.r.wrote != 0 || !errors.Is(h.r.writeErr, net.ErrClosed) {
		t.Errorf("%d bytes were told of, and %v; expected none and net.ErrClosed, before Closed", h.r.wrote, h.r.writeErr)
	}
}

// However the ciphertext is cut and however little the kernel takes, the plaintext comes back whole, and the end comes
// after it.
func TestSplitAnywhere(t *testing.T) {
	layer := transport.NewTLS(clock, patience)
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 2000).Draw(t, "data"), rapid.IntRange(1, 100).Draw(t, "times"))
		step := rapid.IntRange(1, 40_000).Draw(t, "step")
		version := rapid.SampledFrom(tlsVersions).Draw(t, "version")
		s := newSplitter(rapid.Uint64().Draw(t, "seed"))
		h := &splitHandshake{echoes: newEchoes(), broken: make(chan error, 1)}
		var running sync.WaitGroup
		running.Go(func() { s.run(layer.Server(s, netip.Addr{}, serverConfig(), h)) })
		c := tls.Client(client{splitter: s}, clientConfig(version))
		running.Go(func() {
			for rest := data; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := c.Write(rest[:n]); err != nil {
					t.Errorf("write: %v", err)
					break
				}
				rest = rest[n:]
			}
			if err := c.CloseWrite(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back of %d, or others: %v", len(got), len(data), err)
		}
		s.Close(false)
		running.Wait()
		layer.Wait()
		h.closed.Wait()
		if len(h.broken) > 0 {
			t.Errorf("the handshake was broken: %v", <-h.broken)
		}
	})
}
