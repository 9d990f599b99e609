package server_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// balancers are the networks whose PROXY headers the tests' gateways believe.
var balancers = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// proxyListener returns a listener that takes PROXY headers from 127.0.0.1.
func proxyListener(mode server.ProxyMode) []server.ListenerConfig {
	return []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0", Proxy: mode, ProxyTrusted: balancers}}
}

// update changes the limits.
func (g *gateway) update(change func(*server.Limits)) server.Limits {
	g.t.Helper()
	l, err := g.UpdateLimits(server.UpdateLimitsRequest{Change: change,
		Changes: map[string]string{"some": "change"}})
	if err != nil {
		g.t.Fatal(err)
	}
	return l
}

// dialFrom connects a client with the given address, one of 127.0.0.0/8.
func (g *gateway) dialFrom(ip string) *net.TCPConn {
	g.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.DialContext(g.t.Context(), "tcp", g.addr())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(safety)); err != nil {
		g.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// mustServe checks that the gateway echoes.
func mustServe(t *testing.T, c net.Conn) {
	t.Helper()
	mustWrite(t, c, []byte("hello"))
	mustRead(t, c, "hello")
}

// mustRefuse checks that the gateway closes without a byte.
func mustRefuse(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || isTimeout(err) {
		t.Fatalf("read %d bytes, %v; expected that the gateway closes", n, err)
	}
}

// expectRefusals waits until the totals have exactly these refusals.
func (g *gateway) expectRefusals(want map[server.CloseReason]uint64) {
	g.t.Helper()
	for limit := time.Now().Add(safety); !maps.Equal(g.info().Totals.Refusals, want); runtime.Gosched() {
		if time.Now().After(limit) {
			g.t.Fatalf("refused %v; expected %v", g.info().Totals.Refusals, want)
		}
	}
}

// settlePending waits until n connections are being admitted.
func (g *gateway) settlePending(n int) {
	g.t.Helper()
	for limit := time.Now().Add(safety); g.info().Totals.Pending != n; runtime.Gosched() {
		if time.Now().After(limit) {
			g.t.Fatalf("%d are being admitted; waited in vain for %d", g.info().Totals.Pending, n)
		}
	}
}

// networks parses networks.
func networks(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Each limit, list and mode of admission refuses with its own reason, publishes one event about it, and admits again
// after a live change.
func TestRefusalReasons(t *testing.T) {
	for _, c := range []struct {
		reason server.CloseReason
		change func(*server.Limits)
		says   string
		before int // connections that are admitted first
	}{
		{event.ReasonConnectionLimit, func(l *server.Limits) { l.MaxConnections = 2 }, "limit of 2", 2},
		{event.ReasonListenerLimit, func(l *server.Limits) { l.ListenerConnections = map[string]int{"main": 1} },
			"listener's limit of 1", 1},
		{event.ReasonIPLimit, func(l *server.Limits) { l.ConnectionsPerIP = 1 }, "the address has 1", 1},
		{event.ReasonAcceptRate, func(l *server.Limits) { l.AcceptRate, l.AcceptBurst = 0.001, 2 }, "0.001 a second", 2},
		{event.ReasonIPAcceptRate, func(l *server.Limits) { l.AcceptRatePerIP, l.AcceptBurstPerIP = 0.001, 1 },
			"0.001 a second", 1},
		{event.ReasonDenied, func(l *server.Limits) { l.Deny = networks("127.0.0.0/8") }, "deny list", 0},
		{event.ReasonDenied, func(l *server.Limits) { l.Allow = networks("10.0.0.0/8", "2001:db8::/32") }, "allow list", 0},
	} {
		t.Run(c.reason.String(), func(t *testing.T) {
			each(t, func(t *testing.T, engine string) {
				g := startOn(t, engine, server.Config{})
				f := g.follow(event.Refused)
				g.update(c.change)
				for range c.before {
					mustServe(t, g.dial())
				}
				client := g.dial()
				mustRefuse(t, client)
				g.expectRefusals(map[server.CloseReason]uint64{c.reason: 1})
				e := f.awaitType(event.Refused, "")
				d := e.Detail.(*event.RefusedDetail)
				if d.Reason != c.reason || d.Listener != "main" || d.Count != 1 || d.Remote != client.LocalAddr().String() ||
					!strings.Contains(d.Message, c.says) {
					t.Errorf("REFUSED %+v; expected the reason %s of one at %s, and words with %q", d, c.reason, client.LocalAddr(),
						c.says)
				}
				g.update(func(l *server.Limits) { *l = server.Limits{} })
				mustServe(t, g.dial())
				g.expectRefusals(map[server.CloseReason]uint64{c.reason: 1})
			})
		})
	}
}

// Deny goes before Allow, and both match IPv4 in either form.
func TestLists(t *testing.T) {
	for _, c := range []struct {
		allow, deny []netip.Prefix
		admitted    bool
	}{
		{nil, nil, true},
		{networks("127.0.0.1/32"), nil, true},
		{networks("127.0.0.2/32"), nil, false},
		{networks("127.0.0.0/8"), networks("127.0.0.1/32"), false},
		{networks("127.0.0.0/8", "10.0.0.0/8"), networks("127.0.0.2/31"), true},
		{networks("::ffff:127.0.0.0/104"), nil, true},
		{nil, networks("::/0"), true},
		{networks("127.255.255.255/8"), nil, true}, // bits behind the prefix do not matter
		{nil, networks("0.0.0.0/0"), false},
	} {
		g := start(t, server.Config{Limits: server.Limits{Allow: c.allow, Deny: c.deny}})
		if client := g.dial(); c.admitted {
			mustServe(t, client)
		} else {
			mustRefuse(t, client)
		}
	}
}

// A flood of refusals makes few events, and their counts are exact.
func TestRefusalFlood(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{Deny: networks("127.0.0.2/32"), ConnectionsPerIP: 1}})
	f := g.follow(event.Refused)
	mustServe(t, g.dial())
	began := time.Now()
	const flood = 1000
	for range flood / 2 {
		mustRefuse(t, g.dial())
		mustRefuse(t, g.dialFrom("127.0.0.2"))
	}
	g.expectRefusals(map[server.CloseReason]uint64{event.ReasonDenied: flood / 2, event.ReasonIPLimit: flood / 2})
	told := make(map[server.CloseReason]uint64)
	events := 0
	for ; told[event.ReasonDenied]+told[event.ReasonIPLimit] < flood; events++ {
		d := f.awaitType(event.Refused, "").Detail.(*event.RefusedDetail)
		told[d.Reason] += d.Count
	}
	if most := 2 * (int(time.Since(began)/time.Second) + 1); events > most {
		t.Errorf("%d events in %s; expected at most one a second for each of two reasons", events, time.Since(began))
	}
	if told[event.ReasonDenied] != flood/2 || g.info().Totals.Refused != flood {
		t.Errorf("events of %v, and %d in all; expected %d of each", told, g.info().Totals.Refused, flood/2)
	}
}

// A limit on addresses applies to each address: others come in, and a connection that closes makes room.
func TestConnectionsPerIP(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Limits: server.Limits{ConnectionsPerIP: 2}})
		f := g.follow(event.Closed)
		var inside []net.Conn
		for _, ip := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"} {
			c := g.dialFrom(ip)
			mustServe(t, c)
			inside = append(inside, c)
		}
		mustRefuse(t, g.dialFrom("127.0.0.1"))
		inside[0].Close()
		f.awaitType(event.Closed, "")
		mustServe(t, g.dialFrom("127.0.0.1"))
		mustRefuse(t, g.dialFrom("127.0.0.1"))
		mustServe(t, g.dialFrom("127.0.0.2"))
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonIPLimit: 2})
	})
}

// A limit on addresses that is set later counts the live connections once, and not those that close meanwhile.
func TestConnectionsPerIPSetLive(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Closed)
	first, second := g.open(), g.open()
	g.update(func(l *server.Limits) { l.ConnectionsPerIP = 2 })
	mustRefuse(t, g.dial())
	g.update(func(l *server.Limits) { l.ConnectionsPerIP = 0 })
	third := g.open()
	g.update(func(l *server.Limits) { l.ConnectionsPerIP = 3 })
	mustRefuse(t, g.dial())
	for _, c := range []peer{first, second, third} {
		c.Close()
		f.awaitType(event.Closed, c.id)
	}
	for range 3 {
		g.open()
	}
	mustRefuse(t, g.dial())
}

// Connections that come and go while a limit on addresses is switched on are counted exactly: the audit at the end
// finds none left.
func TestConnectionsPerIPSetInTraffic(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 200 {
				c, err := net.Dial("tcp", g.addr())
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = c.Write([]byte("x"))
				_, _ = io.ReadFull(c, make([]byte, 1))
				c.Close()
			}
		}()
		stay := g.open()
		for i := range 20 {
			g.update(func(l *server.Limits) { l.ConnectionsPerIP = 1000 * (1 - i%2) })
			runtime.Gosched()
		}
		<-done
		g.settle(1)
		g.update(func(l *server.Limits) { l.ConnectionsPerIP = 1 })
		mustRefuse(t, g.dial())
		g.update(func(l *server.Limits) { l.ConnectionsPerIP = 2 })
		mustServe(t, g.dial())
		mustServe(t, stay)
	})
}

// A customer with many IPv6 addresses is limited as one /64 network.
func TestIPv6Network(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyRequired),
			Limits: server.Limits{ConnectionsPerIPv6Network: 2}})
		from := func(ip string) *net.TCPConn {
			c := g.dial()
			mustWrite(t, c, fmt.Appendf(nil, "PROXY TCP6 %s 2001:db8::1 1000 443\r\n", ip))
			return c
		}
		mustServe(t, from("2001:db8:0:1::1"))
		mustServe(t, from("2001:db8:0:1::2"))
		mustRefuse(t, from("2001:db8:0:1:ffff::3"))
		mustServe(t, from("2001:db8:0:2::1"))
		g.update(func(l *server.Limits) {
			l.ConnectionsPerIPv6Network, l.AcceptRatePerIP, l.AcceptBurstPerIP = 0, 0.001, 1
		})
		mustServe(t, from("2001:db8:0:1::4"))
		mustRefuse(t, from("2001:db8:0:1::5"))
		mustServe(t, from("2001:db8:0:2::5"))
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonIPLimit: 1, event.ReasonIPAcceptRate: 1})
	})
}

// One address that comes too fast uses up nothing of the accept rate of all.
func TestRatesAreFair(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{AcceptRate: 0.001, AcceptBurst: 4, AcceptRatePerIP: 0.001,
		AcceptBurstPerIP: 2}})
	for range 2 {
		mustServe(t, g.dialFrom("127.0.0.2"))
	}
	for range 20 {
		mustRefuse(t, g.dialFrom("127.0.0.2"))
	}
	for range 2 {
		mustServe(t, g.dialFrom("127.0.0.3"))
	}
	mustRefuse(t, g.dialFrom("127.0.0.4"))
	g.expectRefusals(map[server.CloseReason]uint64{event.ReasonIPAcceptRate: 20, event.ReasonAcceptRate: 1})
}

// A refused connection takes no place, neither of the server's or the listener's limit nor of its address's.
func TestRefusedTakesNoPlace(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{MaxConnections: 2, ListenerConnections: map[string]int{"main": 2},
		ConnectionsPerIP: 2, AcceptRatePerIP: 0.001, AcceptBurstPerIP: 1}})
	mustServe(t, g.dial())
	for range 5 {
		mustRefuse(t, g.dial())
	}
	g.update(func(l *server.Limits) { l.AcceptRatePerIP, l.AcceptRate, l.AcceptBurst = 0, 0.001, 1 })
	mustServe(t, g.dial())
	mustRefuse(t, g.dial())
	g.update(func(l *server.Limits) { l.MaxConnections, l.ListenerConnections, l.ConnectionsPerIP = 0, nil, 3 })
	for range 5 { // none counts for the address
		mustRefuse(t, g.dial())
	}
	g.expectRefusals(map[server.CloseReason]uint64{event.ReasonIPAcceptRate: 5, event.ReasonConnectionLimit: 1,
		event.ReasonAcceptRate: 5})
	if totals := g.info().Totals; totals.Connections != 2 || totals.Pending != 0 {
		t.Errorf("totals %+v", totals)
	}
}
