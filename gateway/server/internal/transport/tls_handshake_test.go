package transport_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sockgate/sockgate/gateway/internal/certid"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

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

// Versions, ALPN, SNI and the client's certificate are known as soon as the connection is.
func TestHandshakeState(t *testing.T) {
	for _, version := range tlsVersions {
		eachGate(t, func(g *gate) {
			c := g.config
			c.ClientAuth, c.ClientCAs, c.NextProtos = tls.RequireAndVerifyClientCert, theCA().Pool(), []string{"b", "a"}
		}, func(t *testing.T, g *gate) {
			config := clientConfig(version)
			config.Certificates, config.NextProtos = []tls.Certificate{theLeaf()}, []string{"a"}
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
