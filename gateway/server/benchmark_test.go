package server

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

type echo struct{ BaseHandler }

func (echo) Data(c *Conn, p []byte) { _, _ = c.Send(p) }

// BenchmarkEcho measures a round trip of 64 bytes, client included.
func BenchmarkEcho(b *testing.B) {
	s, err := New(Config{Node: "test", Listeners: []ListenerConfig{{Address: "127.0.0.1:0"}}, Handler: echo{}})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(b.Context()) }()
	c, err := net.Dial("tcp", s.listeners[0].Address())
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	if err := s.Shutdown(b.Context()); err != nil {
		b.Error(err)
	}
	<-served
}

// kernelSocket takes every byte, as a kernel with room does.
type kernelSocket struct{ transport.Socket }

func (kernelSocket) TryWrite(p []byte) (int, error) { return len(p), nil }

// BenchmarkAnswer measures the cost that the gateway adds to the read and the write of an echo.
func BenchmarkAnswer(b *testing.B) {
	s, err := New(Config{Node: "test", Listeners: []ListenerConfig{{Address: "127.0.0.1:0"}}, Handler: echo{}})
	if err != nil {
		b.Fatal(err)
	}
	end := s.listeners[0].Admit(kernelSocket{}, netip.AddrPort{}, netip.AddrPort{})
	end.Opened()
	p, at := make([]byte, 64), s.now()
	b.ReportAllocs()
	for b.Loop() {
		end.Received(p, at)
	}
}
