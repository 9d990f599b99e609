package server_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// stall connects peers that send the same first bytes and then nothing. from returns the address of the peer i.
func (g *gateway) stall(n int, first []byte, from func(i int) string) (peers []net.Conn) {
	g.t.Helper()
	for i := range n {
		c := g.dialFrom(from(i))
		mustWrite(g.t, c, first)
		peers = append(peers, c)
	}
	return peers
}

// at returns an address for every peer of stall.
func at(ip string) func(int) string { return func(int) string { return ip } }

// behind returns a connection that begins with a PROXY header.
func behind(c net.Conn, header string) net.Conn { return &joined{Conn: c, first: []byte(header)} }

// awaitRefusals waits until n connections were refused for a reason, and returns the first event about it.
func (g *gateway) awaitRefusals(f *follower, reason server.CloseReason, n uint64) *event.RefusedDetail {
	g.t.Helper()
	g.expectRefusals(map[server.CloseReason]uint64{reason: n})
	d := f.awaitType(event.Refused, "").Detail.(*event.RefusedDetail)
	if d.Reason != reason {
		g.t.Errorf("REFUSED %+v; expected %s", d, reason)
	}
	return d
}

// Handshakes that stall behind a whole ClientHello hold up neither others nor other clients of their own address. The
// oldest of them give way, and are told of. They stay open until they say another word, so that a flood comes back no
// faster.
func TestStalledHandshakes(t *testing.T) {
	a := newAuthority(t)
	hello := a.hello()
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff),
			Limits: server.Limits{HandshakeTimeout: time.Hour}})
		f := g.follow(event.Refused)
		established := tls.Client(g.dial(), a.client(""))
		mustServe(t, established)
		const flood, share, more = 1100, 512, 1100 - 512
		peers := g.stall(flood, hello, at("127.0.0.1"))
		mustServe(t, tls.Client(g.dialFrom("127.0.0.2"), a.client("")))
		d := g.awaitRefusals(f, event.ReasonHandshakeLimit, more)
		if !strings.HasPrefix(d.Message, "512 of 1024 places for TLS handshakes were its address's") ||
			!strings.HasPrefix(d.Remote, "127.0.0.1:") {
			t.Errorf("REFUSED %+v; expected the address, its places and all places", d)
		}
		mustServe(t, tls.Client(g.dialFrom("127.0.0.1"), a.client("")))
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonHandshakeLimit: more + 1})
		mustServe(t, established)
		g.settlePending(flood)
		for _, c := range peers {
			mustWrite(t, c, hello[:1])
		}
		g.settlePending(share - 1)
		g.stop()
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonHandshakeLimit: more + 1,
			event.ReasonShutdown: share - 1})
	})
}

// The share of an address shrinks when more addresses come, and leaves places for another one.
func TestStalledHandshakesOfManyAddresses(t *testing.T) {
	a := newAuthority(t)
	hello := a.hello()
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff),
			Limits: server.Limits{HandshakeTimeout: time.Hour, MaxHandshakes: 256}})
		f := g.follow(event.Refused)
		const addresses, share = 15, 256 / (15 + 1)
		g.stall(300, hello, func(i int) string { return fmt.Sprintf("127.0.1.%d", i%addresses) })
		mustServe(t, tls.Client(g.dialFrom("127.0.0.2"), a.client("")))
		d := g.awaitRefusals(f, event.ReasonHandshakeLimit, 300-addresses*share)
		if !strings.HasPrefix(d.Message, "16 of 256 places") {
			t.Errorf("REFUSED %+v; expected 16 of 256 places", d)
		}
	})
}

// Behind a balancer the client's own address counts, and an IPv6 /64 network as one.
func TestStalledHandshakesBehindBalancer(t *testing.T) {
	a := newAuthority(t)
	hello := a.hello()
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyRequired),
			Limits: server.Limits{HandshakeTimeout: time.Hour, MaxHandshakes: 64}})
		f := g.follow(event.Refused)
		for i := range 70 {
			header := fmt.Sprintf("PROXY TCP6 2001:db8:0:7::%x 2001:db8::1 4000 443\r\n", 1+i)
			mustWrite(t, behind(g.dial(), header), hello)
		}
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonHandshakeLimit: 70 - 32})
		for _, client := range []string{"2001:db8:0:8::1", "2001:db8:0:7::1:1"} {
			header := "PROXY TCP6 " + client + " 2001:db8::1 4000 443\r\n"
			mustServe(t, tls.Client(behind(g.dial(), header), a.client("")))
		}
		if d := g.awaitRefusals(f, event.ReasonHandshakeLimit, 70-32+1); !strings.HasPrefix(d.Remote, "[2001:db8:0:7::") {
			t.Errorf("REFUSED %+v; expected an address of the client's network", d)
		}
	})
}

// Pending connections that stall before a whole PROXY header or ClientHello hold no handshake, but a connection. At a
// limit of connections, the oldest gives way to a newcomer.
func TestStalledAtConnectionLimit(t *testing.T) {
	a := newAuthority(t)
	hello := a.hello()
	const header = "PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n"
	for _, c := range []struct {
		name, header string
		mode         server.ProxyMode
		first        []byte
	}{
		{name: "nothing", mode: server.ProxyOff},
		{name: "half a ClientHello", mode: server.ProxyOff, first: hello[:len(hello)/2]},
		{name: "a ClientHello", mode: server.ProxyOff, first: hello},
		{name: "half a header", mode: server.ProxyRequired, header: header, first: []byte(header[:20])},
		{name: "half an optional header", mode: server.ProxyOptional, header: header, first: []byte(header[:20])},
		{name: "a header", mode: server.ProxyRequired, header: header, first: []byte(header)},
	} {
		for reason, limits := range map[server.CloseReason]server.Limits{
			event.ReasonConnectionLimit: {MaxConnections: 51, HandshakeTimeout: time.Hour},
			event.ReasonListenerLimit:   {ListenerConnections: map[string]int{"main": 51}, HandshakeTimeout: time.Hour},
		} {
			t.Run(c.name+"/"+reason.String(), func(t *testing.T) {
				each(t, func(t *testing.T, engine string) {
					g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), c.mode),
						Limits: limits})
					g.SetPatience(0)
					f := g.follow(event.Refused)
					established := tls.Client(behind(g.dial(), c.header), a.client(""))
					mustServe(t, established)
					g.stall(50, c.first, at("127.0.0.1"))
					g.settlePending(50)
					mustServe(t, tls.Client(behind(g.dial(), c.header), a.client("")))
					if d := g.awaitRefusals(f, reason, 1); !strings.Contains(d.Message, "gave way to a newer one") {
						t.Errorf("REFUSED %+v; expected that a pending one gives way", d)
					}
					mustServe(t, established)
					g.settlePending(49)
				})
			})
		}
	}
}

// A pending connection that is not old yet does not give way: a crowd of honest clients at a limit would never finish.
func TestYoungDoNotGiveWay(t *testing.T) {
	a := newAuthority(t)
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff),
			Limits: server.Limits{MaxConnections: 2, HandshakeTimeout: time.Hour}})
		g.SetPatience(time.Hour)
		f := g.follow(event.Refused)
		first := g.dial()
		g.dial()
		g.settlePending(2)
		mustRefuse(t, g.dialFrom("127.0.0.2"))
		if d := g.awaitRefusals(f, event.ReasonConnectionLimit, 1); strings.Contains(d.Message, "gave way") {
			t.Errorf("REFUSED %+v; expected that nobody gives way", d)
		}
		mustServe(t, tls.Client(first, a.client("")))
	})
}
