package transport_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/certid"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// gate is a listening socket with TLS whose connections may stop anywhere in their handshake.
type gate struct {
	*hall
	engine *securedEngine
	config *tls.Config
	dial   func() (net.Conn, error)

	raws chan pending // of every connection, in the order of arrival
	veto func() bool  // whether Established refuses; may be nil
}

// pending is a connection whose handshake is not complete.
type pending struct {
	raw transport.Socket
	end transport.Endpoint
}

// Admit implements transport.Admission for raw sockets.
func (g *gate) Admit(s transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	end := g.engine.layer.Server(s, g.config, &gateHandshake{gate: g, remote: remote, local: local})
	g.raws <- pending{s, end}
	return end
}

// gateHandshake is the handshake of a gate's connection.
type gateHandshake struct {
	gate          *gate
	remote, local netip.AddrPort
}

func (h *gateHandshake) Established(s transport.Socket, state tls.ConnectionState) transport.Endpoint {
	if h.gate.veto != nil && h.gate.veto() {
		return nil
	}
	r := h.gate.hall.Admit(s, h.remote, h.local).(*recorder)
	r.state = state
	return r
}

func (h *gateHandshake) Broken(err error) { h.gate.engine.broken <- err }

// newGate opens a gate on an engine. Both end with the test.
func newGate(t *testing.T, name string, change func(*gate)) *gate {
	t.Helper()
	ln, dial := listenPlain(t, "tcp")
	g := &gate{hall: newHall(), engine: secure(newEngine(t, name)), config: serverConfig(), dial: dial,
		raws: make(chan pending, 1<<10)}
	if change != nil {
		change(g)
	}
	a, err := g.engine.Engine.Accept(ln, g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		close(g.raws)
		for p := range g.raws {
			p.raw.Close(true)
		}
		close(g.admitted)
		for r := range g.admitted {
			r.socket.Close(true)
		}
		g.engine.Wait()
	})
	return g
}

// eachGate runs a test with a gate on every engine.
func eachGate(t *testing.T, change func(*gate), test func(t *testing.T, g *gate)) {
	for _, name := range engines {
		t.Run(name, func(t *testing.T) { test(t, newGate(t, name, change)) })
	}
}

// peer connects without a handshake.
func (g *gate) peer(t *testing.T) net.Conn {
	t.Helper()
	c, err := g.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(safety)); err != nil {
		t.Fatal(err)
	}
	return c
}

// next returns the next connection that was accepted.
func (g *gate) next(t *testing.T) pending {
	t.Helper()
	select {
	case p := <-g.raws:
		return p
	case <-time.After(safety):
		t.Fatal("no connection came")
		return pending{}
	}
}

// open returns both sides of a connection whose handshake is complete.
func (g *gate) open(t *testing.T, config *tls.Config) (*recorder, *tls.Conn) {
	t.Helper()
	c := tls.Client(g.peer(t), config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return g.established(t), c
}

// established returns the next connection whose handshake is complete.
func (g *gate) established(t *testing.T) *recorder {
	t.Helper()
	select {
	case r := <-g.admitted:
		r.await(t, "Opened", func() bool { return len(r.calls) > 0 })
		t.Cleanup(func() {
			r.socket.Close(true)
			if r.overlap.Load() {
				t.Error("calls overlapped")
			}
		})
		return r
	case err := <-g.engine.broken:
		t.Fatalf("the handshake failed: %v", err)
	case <-time.After(safety):
		t.Fatal("no handshake was completed")
	}
	return nil
}

// fails returns the error of the next handshake that fails.
func (g *gate) fails(t *testing.T) error {
	t.Helper()
	select {
	case err := <-g.engine.broken:
		return err
	case <-time.After(safety):
		t.Fatal("no handshake failed")
		return nil
	}
}

// awaitHandshakes waits until so many handshakes run and so many wait.
func (g *gate) awaitHandshakes(t *testing.T, running, waiting int) {
	t.Helper()
	await(t, "handshakes", func() bool {
		r, w := g.engine.layer.Handshakes()
		return r == running && w == waiting
	})
}

// await polls a condition whose changes are not signalled.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(safety); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// hello returns a client's first bytes.
func hello(t *testing.T) []byte {
	t.Helper()
	var sent bytes.Buffer
	err := tls.Client(&wire{read: bytes.NewReader(nil), write: &sent}, clientConfig("TLS 1.3")).Handshake()
	if err == nil || sent.Len() == 0 {
		t.Fatalf("a client without a server: %v", err)
	}
	return sent.Bytes()
}

// wire is a net.Conn made of a reader and a writer.
type wire struct {
	net.Conn
	read  io.Reader
	write io.Writer
}

func (w *wire) Read(p []byte) (int, error)  { return w.read.Read(p) }
func (w *wire) Write(p []byte) (int, error) { return w.write.Write(p) }

// A peer that stops in its handshake costs no goroutine until its ClientHello is complete. Closing the socket ends the
// handshake.
func TestHalfOpen(t *testing.T) {
	whole := hello(t)
	for _, c := range []struct {
		name    string
		sends   []byte
		running int
	}{
		{"nothing", nil, 0},
		{"a byte", whole[:1], 0},
		{"half a ClientHello", whole[:len(whole)/2], 0},
		{"all but a byte", whole[:len(whole)-1], 0},
		{"a ClientHello", whole, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachGate(t, nil, func(t *testing.T, g *gate) {
				peer := g.peer(t)
				p := g.next(t)
				write(t, peer, c.sends)
				if c.running == 0 {
					await(t, "the bytes", func() bool { return transport.Collected(p.end) == len(c.sends) })
				} else if _, err := peer.Read(make([]byte, 1)); err != nil { // with the ServerHello, the goroutine waits
					t.Fatal(err)
				}
				if running, waiting := g.engine.layer.Handshakes(); running != c.running || waiting != 0 {
					t.Errorf("%d handshakes run and %d wait; expected %d and 0", running, waiting, c.running)
				}
				p.raw.Close(false)
				if err := g.fails(t); !errors.Is(err, net.ErrClosed) || errors.Is(err, transport.ErrNoTurn) {
					t.Errorf("broken: %v; expected net.ErrClosed", err)
				}
				g.awaitHandshakes(t, 0, 0)
			})
		})
	}
}

// Bytes that cannot begin a ClientHello are refused at once, with an error that says what came.
func TestNotTLS(t *testing.T) {
	record := func(body ...byte) []byte {
		return append([]byte{22, 3, 1, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	for _, c := range []struct {
		name  string
		sends []byte
		want  string
	}{
		{"plain HTTP", []byte("GET / HTTP/1.1\r\n"), "does not speak TLS"},
		{"a byte", []byte{'x'}, "does not speak TLS"},
		{"another version", []byte{22, 9}, "does not speak TLS"},
		{"an alert", []byte{21, 3, 1, 0, 2, 2, 40}, "does not speak TLS"},
		{"another message", record(2, 0, 0, 1, 0), "type 2"},
		{"an empty record", record(), "record of 0 bytes"},
		{"an oversized record", []byte{22, 3, 1, 0x40, 1}, "record of 16385 bytes"},
		{"a huge ClientHello", record(1, 1, 0, 0), "ClientHello of 65540 bytes"},
		{"a ClientHello of noise", record(1, 0, 0, 4, 1, 2, 3, 4), "decod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachGate(t, nil, func(t *testing.T, g *gate) {
				peer := g.peer(t)
				write(t, peer, c.sends)
				if err := g.fails(t); !strings.Contains(err.Error(), c.want) {
					t.Errorf("broken: %v; expected %q", err, c.want)
				}
				if _, err := io.Copy(io.Discard, peer); err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the peer read: %v; expected an end", err)
				}
			})
		})
	}
}

// A ClientHello in records of a byte each is limited by the bytes sent, not by its stated length.
func TestHugeHello(t *testing.T) {
	eachGate(t, nil, func(t *testing.T, g *gate) {
		peer := g.peer(t)
		var sends []byte
		for i := range 12_000 {
			body := byte(0)
			if i < 3 {
				body = []byte{1, 0, 200}[i]
			}
			sends = append(sends, 22, 3, 1, 0, 1, body)
		}
		_, _ = peer.Write(sends) // may meet the end
		if err := g.fails(t); !strings.Contains(err.Error(), "at most 65536") {
			t.Errorf("broken: %v; expected that the ClientHello is too long", err)
		}
	})
}

// A client that leaves in the middle of its handshake ends it, however it leaves.
func TestClientLeaves(t *testing.T) {
	whole := hello(t)
	for _, sends := range [][]byte{nil, whole[:100], whole} {
		for _, reset := range []bool{false, true} {
			eachGate(t, nil, func(t *testing.T, g *gate) {
				peer := g.peer(t)
				g.next(t)
				write(t, peer, sends)
				if len(sends) == len(whole) {
					if _, err := io.ReadFull(peer, make([]byte, 100)); err != nil {
						t.Fatal(err)
					}
				}
				want := error(syscall.ECONNRESET)
				if !reset {
					want = io.ErrUnexpectedEOF
					if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
						t.Fatal(err)
					}
				} else if err := errors.Join(peer.(*net.TCPConn).SetLinger(0), peer.Close()); err != nil {
					t.Fatal(err)
				}
				if err := g.fails(t); !errors.Is(err, want) {
					t.Errorf("%d bytes, reset %v: broken: %v; expected %v", len(sends), reset, err, want)
				}
			})
		}
	}
}

// The number of handshakes under way is limited. The others get their turn in the order of arrival. One that leaves or
// is closed before its turn fails with ErrNoTurn.
func TestTurns(t *testing.T) {
	eachGate(t, nil, func(t *testing.T, g *gate) {
		g.engine.layer.SetMax(1)
		stalls := g.peer(t)
		stalled := g.next(t)
		write(t, stalls, hello(t))
		g.awaitHandshakes(t, 1, 0)
		var raws []pending
		var peers []net.Conn
		var shaking sync.WaitGroup
		defer shaking.Wait()
		for i := range 6 {
			peer := g.peer(t)
			raws, peers = append(raws, g.next(t)), append(peers, peer)
			// The clients that stay are checked below.
			shaking.Go(func() { _ = tls.Client(peer, clientConfig("TLS 1.3")).Handshake() })
			g.awaitHandshakes(t, 1, i+1)
		}
		raws[0].raw.Close(false)
		if err := g.fails(t); !errors.Is(err, transport.ErrNoTurn) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed before its turn: %v; expected ErrNoTurn and net.ErrClosed", err)
		}
		if err := errors.Join(peers[3].(*net.TCPConn).CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if err := g.fails(t); !errors.Is(err, transport.ErrNoTurn) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("left before its turn: %v; expected ErrNoTurn and io.ErrUnexpectedEOF", err)
		}
		g.awaitHandshakes(t, 1, 4)
		g.engine.layer.SetMax(0) // counts as 1
		stalled.raw.Close(false)
		if err := g.fails(t); errors.Is(err, transport.ErrNoTurn) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed in its turn: %v; expected net.ErrClosed alone", err)
		}
		for _, i := range []int{1, 2, 4, 5} {
			if r := g.established(t); r.remote.String() != peers[i].LocalAddr().String() {
				t.Errorf("%s had its turn; expected %s, number %d", r.remote, peers[i].LocalAddr(), i)
			}
		}
		g.awaitHandshakes(t, 0, 0)
	})
}

// A higher limit lets waiting handshakes begin.
func TestRaiseMax(t *testing.T) {
	eachGate(t, nil, func(t *testing.T, g *gate) {
		g.engine.layer.SetMax(1)
		for range 5 {
			write(t, g.peer(t), hello(t))
		}
		g.awaitHandshakes(t, 1, 4)
		g.engine.layer.SetMax(4)
		g.awaitHandshakes(t, 4, 1)
	})
}

// dribble is a connection that sends a byte at a time.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// A client that sends a byte at a time is served as any other.
func TestByteAtATime(t *testing.T) {
	for _, version := range tlsVersions {
		eachGate(t, nil, func(t *testing.T, g *gate) {
			c := tls.Client(dribble{g.peer(t)}, clientConfig(version))
			write(t, c, []byte("hello"))
			r := g.established(t)
			r.await(t, "hello", func() bool { return string(r.received) == "hello" })
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			r.awaitCall(t, "Ended")
		})
	}
}

// held is a connection that holds back its writes from its first read on. The test sends them as one.
type held struct {
	net.Conn
	holds bool
	bytes []byte
}

func (h *held) Write(p []byte) (int, error) {
	if !h.holds {
		return h.Conn.Write(p)
	}
	h.bytes = append(h.bytes, p...)
	return len(p), nil
}

func (h *held) SetWriteDeadline(time.Time) error { return nil } // crypto/tls ends writing with it

func (h *held) Read(p []byte) (int, error) {
	h.holds = true // the ClientHello is sent
	return h.Conn.Read(p)
}

// Bytes that come together with the last bytes of the handshake are not lost. Neither is an end that the server does
// not expect: close_notify, FIN, silence.
func TestBytesWithFinished(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 3<<10)
	for _, c := range []struct {
		name string
		end  func(t *testing.T, c *tls.Conn)
		want []string
	}{
		{"silence", func(*testing.T, *tls.Conn) {}, []string{"Opened", "Received"}},
		{"close_notify", func(t *testing.T, c *tls.Conn) {
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}, []string{"Opened", "Received", "Ended"}},
		{"FIN", func(t *testing.T, c *tls.Conn) {
			h := c.NetConn().(*held)
			h.Conn.(*net.TCPConn).Write(h.bytes)
			h.bytes = nil
			if err := h.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}, []string{"Opened", "Received", "Failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachGate(t, nil, func(t *testing.T, g *gate) {
				h := &held{Conn: g.peer(t)}
				client := tls.Client(h, clientConfig("TLS 1.3"))
				write(t, client, data)
				c.end(t, client)
				if _, err := h.Conn.Write(h.bytes); err != nil && c.name != "FIN" {
					t.Fatal(err)
				}
				r := g.established(t)
				r.await(t, "everything", func() bool {
					return len(r.received) == len(data) && r.calls[len(r.calls)-1] == c.want[len(c.want)-1]
				})
				r.expectCalls(t, c.want...)
				if !bytes.Equal(r.received, data) {
					t.Error("received something else than was sent")
				}
			})
		})
	}
}

// The client hears a server that speaks first, also when the client's first bytes come late.
func TestServerFirst(t *testing.T) {
	for _, version := range tlsVersions {
		welcome := func(r *recorder) {
			r.onOpen = func() {
				if n, err := r.socket.TryWrite([]byte("welcome")); n != 7 || err != nil {
					t.Errorf("TryWrite in Opened: %d, %v", n, err)
				}
			}
		}
		eachGate(t, func(g *gate) { g.prepare = welcome }, func(t *testing.T, g *gate) {
			r, c := g.open(t, clientConfig(version))
			got := make([]byte, 7)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "welcome" {
				t.Errorf("the client read %q, %v", got, err)
			}
			if transport.Holds(r.socket) {
				await(t, "the end of the handshake", func() bool { return !transport.Holds(r.socket) })
			}
		})
	}
}

// Versions, ALPN, SNI and the client's certificate are known as soon as the connection is.
func TestHandshakeState(t *testing.T) {
	for _, version := range tlsVersions {
		eachGate(t, func(g *gate) {
			c := g.config
			c.ClientAuth, c.ClientCAs, c.NextProtos = tls.RequireAndVerifyClientCert, theAuthority().pool, []string{"b", "a"}
		}, func(t *testing.T, g *gate) {
			config := clientConfig(version)
			config.Certificates, config.NextProtos = []tls.Certificate{theAuthority().leaf}, []string{"a"}
			r, _ := g.open(t, config)
			if s := r.state; tls.VersionName(s.Version) != version || s.NegotiatedProtocol != "a" ||
				s.ServerName != "gateway.example" || len(s.VerifiedChains) == 0 ||
				certid.Identity(s.VerifiedChains[0][0]) != "gateway.example" {
				t.Errorf("%s: state %+v", version, s)
			}
		})
	}
}

// A client without the required certificate gets an alert.
func TestNoClientCertificate(t *testing.T) {
	for _, version := range tlsVersions {
		eachGate(t, func(g *gate) { g.config.ClientAuth = tls.RequireAndVerifyClientCert }, func(t *testing.T, g *gate) {
			c := tls.Client(g.peer(t), clientConfig(version))
			_, err := c.Read(make([]byte, 1))
			// TLS 1.2 has no alert of its own for it.
			if err == nil || !strings.Contains(err.Error(), "remote error: tls") {
				t.Errorf("%s: the client read: %v; expected an alert", version, err)
			}
			if err := g.fails(t); !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%s: broken: %v; expected that there is no certificate", version, err)
			}
		})
	}
}

// FIN without close_notify is an orderly end only after close_notify was sent to the peer.
func TestTruncated(t *testing.T) {
	for _, version := range tlsVersions {
		eachGate(t, nil, func(t *testing.T, g *gate) {
			r, c := g.open(t, clientConfig(version))
			write(t, c, []byte("half a sentence"))
			if err := raw(c).(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			r.awaitCall(t, "Failed")
			if !errors.Is(r.readErr, transport.ErrTruncated) || !errors.Is(r.readErr, io.ErrUnexpectedEOF) {
				t.Errorf("reading failed with %v; expected ErrTruncated", r.readErr)
			}
			r, c = g.open(t, clientConfig(version))
			if err := r.socket.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the client read: %v; expected EOF", err)
			}
			raw(c).Close()
			r.awaitCall(t, "Ended")
		})
	}
}

// A client whose connection is closed without reset gets close_notify and FIN.
func TestCloseNotify(t *testing.T) {
	eachGate(t, nil, func(t *testing.T, g *gate) {
		r, c := g.open(t, clientConfig("TLS 1.3"))
		r.socket.Close(false)
		rest, err := io.ReadAll(c)
		if len(rest) != 0 || err != nil {
			t.Errorf("the client read %q, %v; expected an orderly end", rest, err)
		}
		if n, err := raw(c).Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("behind close_notify came %d bytes, %v; expected FIN", n, err)
		}
	})
}

// A forged record ends the connection. The server is told, and the client gets an alert.
func TestBadRecord(t *testing.T) {
	for _, version := range tlsVersions {
		eachGate(t, nil, func(t *testing.T, g *gate) {
			r, c := g.open(t, clientConfig(version))
			write(t, raw(c), append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
			r.awaitCall(t, "Failed")
			if !strings.Contains(r.readErr.Error(), "bad record MAC") {
				t.Errorf("reading failed with %v; expected a bad record", r.readErr)
			}
			if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
				t.Errorf("the client read: %v; expected the alert", err)
			}
			r, c = g.open(t, clientConfig(version))
			write(t, raw(c), []byte{23, 3, 3, 0xff, 0xff}) // longer than any record
			r.awaitCall(t, "Failed")
			if !strings.Contains(r.readErr.Error(), "oversized record") {
				t.Errorf("reading failed with %v; expected an oversized record", r.readErr)
			}
		})
	}
}

// A connection that the server refuses after its handshake is closed, and the server hears no more of it.
func TestEstablishedRefuses(t *testing.T) {
	refuse := func(g *gate) { g.veto = func() bool { return true } }
	eachGate(t, refuse, func(t *testing.T, g *gate) {
		c := tls.Client(g.peer(t), clientConfig("TLS 1.3"))
		if rest, err := io.ReadAll(c); len(rest) != 0 || err != nil {
			t.Errorf("the client read %q, %v; expected an orderly end", rest, err)
		}
	})
}

// A raw socket that closes while the server is told that the connection is established is closed for its endpoint too,
// after all calls that are due.
func TestCloseAtHandover(t *testing.T) {
	closing := func(g *gate) {
		g.veto = func() bool {
			(<-g.raws).raw.Close(true)
			return false
		}
	}
	eachGate(t, closing, func(t *testing.T, g *gate) {
		c := tls.Client(g.peer(t), clientConfig("TLS 1.3"))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		r := g.established(t)
		r.awaitCall(t, "Closed")
		r.expectCalls(t, "Opened", "Closed")
	})
}

// After a pause at the handover, only bytes that had come already arrive before Resume.
func TestPauseAtHandover(t *testing.T) {
	pausing := func(g *gate) { g.prepare = func(r *recorder) { r.onOpen = func() { r.socket.Pause() } } }
	eachGate(t, pausing, func(t *testing.T, g *gate) {
		r, c := g.open(t, clientConfig("TLS 1.3"))
		await(t, "the end of the handover", func() bool { return !transport.Holds(r.socket) })
		data := make([]byte, 1<<20)
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := c.Write(data); err != nil {
				t.Error(err)
			}
		})
		r.socket.Resume()
		r.await(t, "everything", func() bool { return len(r.received) == len(data) })
		writing.Wait()
	})
}
