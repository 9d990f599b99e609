package transport_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// held is a connection that holds back its writes from its first read on. The test sends them in one write.
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

// Bytes that come together with the last bytes of the handshake are not lost. An end that comes with them, by
// close_notify or by FIN, is not lost either.
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

// A forged record ends the connection. The server learns of it, and the client gets an alert.
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

// A raw socket may close while the server learns that its connection is established. The endpoint then gets all calls
// that are due, and Closed.
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
