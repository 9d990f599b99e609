package transport_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

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

	shares  bool        // places are shared by address
	gaveWay chan string // addresses of the peers whose handshakes gave way
}

// pending is a connection whose handshake is not complete.
type pending struct {
	raw transport.Socket
	end transport.Endpoint
}

// Admit implements transport.Admission for raw sockets.
func (g *gate) Admit(s transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	end := g.engine.layer.Server(s, g.origin(remote), g.config, &gateHandshake{gate: g, remote: remote, local: local})
	g.raws <- pending{s, end}
	return end
}

// origin returns the address that the places of a peer's handshake are shared by.
func (g *gate) origin(remote netip.AddrPort) netip.Addr {
	if g.shares {
		return remote.Addr()
	}
	return netip.Addr{}
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
func (h *gateHandshake) GaveWay(int, int) { h.gate.gaveWay <- h.remote.String() }

// newGate opens a gate on an engine. Both end with the test.
func newGate(t *testing.T, name string, change func(*gate)) *gate {
	t.Helper()
	ln, dial := listenPlain(t, "tcp")
	g := &gate{hall: newHall(), engine: secure(newEngine(t, name)), config: serverConfig(), dial: dial,
		raws: make(chan pending, 1<<10), gaveWay: make(chan string, 1<<10)}
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

// awaitHandshakes waits until the given numbers of handshakes run and wait.
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
