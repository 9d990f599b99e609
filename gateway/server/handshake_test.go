package server_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	"github.com/sockgate/sockgate/gateway/server"
)

// issuer is a CA that makes configurations with its certificates.
type issuer struct {
	*authority.CA
	t *testing.T
}

func newAuthority(t *testing.T) issuer { return issuer{CA: authority.New("authority"), t: t} }

// gateway returns a gateway's TLS configuration.
func (a issuer) gateway(auth tls.ClientAuthType) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.Issue(authority.DNS("gateway.example")).TLS()}, ClientAuth: auth,
		ClientCAs: a.Pool(), NextProtos: []string{"mqtt"}}
}

// client returns a client's TLS configuration, with a certificate if there is a SPIFFE ID.
func (a issuer) client(id string) *tls.Config {
	config := &tls.Config{RootCAs: a.Pool(), ServerName: "gateway.example", NextProtos: []string{"mqtt", "http/1.1"}}
	if id != "" {
		config.Certificates = []tls.Certificate{a.Issue(authority.URI(id)).TLS()}
	}
	return config
}

// hello returns the first message of a client, which begins a handshake and does not end it.
func (a issuer) hello() []byte {
	here, there := net.Pipe()
	defer there.Close()
	sent := make(chan []byte, 1)
	go func() {
		b := make([]byte, 16<<10)
		n, _ := there.Read(b) // the client writes the message at once
		sent <- b[:n]
		here.Close()
	}()
	_ = tls.Client(here, a.client("")).HandshakeContext(a.t.Context()) // ends with the pipe
	return <-sent
}

// tlsListener returns a listener with TLS, and optionally PROXY headers.
func tlsListener(config *tls.Config, mode server.ProxyMode) []server.ListenerConfig {
	l := proxyListener(mode)
	l[0].TLS = config
	return l
}

// A connection has the TLS details of its client, with or without a PROXY header before them, in one segment or byte by
// byte.
func TestTLSPeer(t *testing.T) {
	a := newAuthority(t)
	const id = "spiffe://example.org/device/7"
	each(t, func(t *testing.T, engine string) {
		for _, c := range []struct {
			mode    server.ProxyMode
			version uint16
			header  string
			id      string
			auth    tls.ClientAuthType
			want    event.Peer
		}{
			{server.ProxyOff, tls.VersionTLS13, "", id, tls.RequireAndVerifyClientCert,
				event.Peer{TLSVersion: "TLS 1.3", Identity: id}},
			{server.ProxyOff, tls.VersionTLS12, "", id, tls.VerifyClientCertIfGiven,
				event.Peer{TLSVersion: "TLS 1.2", Identity: id}},
			{server.ProxyOff, tls.VersionTLS13, "", "", tls.VerifyClientCertIfGiven, event.Peer{TLSVersion: "TLS 1.3"}},
			// not verified
			{server.ProxyOff, tls.VersionTLS13, "", id, tls.RequestClientCert, event.Peer{TLSVersion: "TLS 1.3"}},
			{server.ProxyOptional, tls.VersionTLS13, "", "", tls.NoClientCert, event.Peer{TLSVersion: "TLS 1.3"}},
			{server.ProxyOptional, tls.VersionTLS13, "PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\n", "", tls.NoClientCert,
				event.Peer{TLSVersion: "TLS 1.3"}},
			{server.ProxyRequired, tls.VersionTLS13,
				string(header2(1, 0x11, addresses4(client4, service4), tlv(2, []byte("balancer.example")),
					details(3, 0, "another"))), id, tls.RequireAndVerifyClientCert, event.Peer{TLSVersion: "TLS 1.3", Identity: id}},
		} {
			g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(c.auth), c.mode)})
			f := g.follow(event.Connected)
			for _, byByte := range []bool{false, true} {
				raw := g.dial()
				config := a.client(c.id)
				config.MinVersion, config.MaxVersion = c.version, c.version
				client := tls.Client(&joined{Conn: raw, first: []byte(c.header), byByte: byByte}, config)
				mustServe(t, client)
				conn := f.awaitType(event.Connected, "").Conn
				want := c.want
				want.Protocol, want.ServerName, want.Cipher = "mqtt", "gateway.example",
					tls.CipherSuiteName(client.ConnectionState().CipherSuite)
				remote := raw.LocalAddr().String()
				if c.header != "" {
					want.Proxy = netip.MustParseAddrPort(remote)
					remote = client4
				}
				if conn.Known() != want || conn.RemoteAddr() != remote {
					t.Errorf("%s, %q: %+v of %s; expected %+v of %s", c.mode, c.header, conn.Known(), conn.RemoteAddr(), want,
						remote)
				}
				client.Close()
			}
			if refusals := g.info().Totals.Refusals; len(refusals) > 0 {
				t.Errorf("refused %v", refusals)
			}
			g.stop()
		}
	})
}

// joined is a connection that sends a prefix together with the first write, or all its bytes one at a time.
type joined struct {
	net.Conn
	first  []byte
	byByte bool
}

func (j *joined) Write(p []byte) (int, error) {
	all := append(j.first, p...)
	j.first = nil
	step := len(all)
	if j.byByte {
		step = 1
		j.byByte = false
	}
	for ; len(all) > 0; all = all[min(step, len(all)):] {
		if _, err := j.Conn.Write(all[:min(step, len(all))]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// A handshake that fails and one that never ends have different reasons.
func TestTLSRefusals(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	hello := a.hello()
	each(t, func(t *testing.T, engine string) {
		for _, c := range []struct {
			name   string
			reason server.CloseReason
			does   func(t *testing.T, c *net.TCPConn)
			says   string
		}{
			{"plain text", event.ReasonTLSHandshake, func(t *testing.T,
				c *net.TCPConn) {
				mustWrite(t, c, []byte("GET / HTTP/1.1\r\n\r\n"))
			}, "TLS handshake"},
			{"a PROXY header", event.ReasonTLSHandshake, func(t *testing.T,
				c *net.TCPConn) {
				mustWrite(t, c, []byte("PROXY UNKNOWN\r\n"))
			}, "TLS handshake"},
			{"no certificate", event.ReasonTLSHandshake, func(t *testing.T, c *net.TCPConn) { mustFail(t, c, a.client("")) },
				"certificate"},
			{"another authority's", event.ReasonTLSHandshake, func(t *testing.T, c *net.TCPConn) {
				config := stranger.client("spiffe://example.org/device/7")
				config.RootCAs = a.Pool()
				mustFail(t, c, config)
			}, "certificate"},
			{"distrust", event.ReasonTLSHandshake, func(t *testing.T, c *net.TCPConn) { mustFail(t, c, stranger.client("")) },
				"remote error: tls: "},
			{"leaves at once", event.ReasonTLSHandshake, func(t *testing.T, c *net.TCPConn) { c.Close() }, "TLS handshake"},
			{"leaves half way", event.ReasonTLSHandshake, func(t *testing.T, c *net.TCPConn) {
				mustWrite(t, c, hello)
				mustRead(t, c, "\x16")
				c.Close()
			}, "TLS handshake"},
			{"nothing", event.ReasonTLSTimeout, func(t *testing.T, c *net.TCPConn) {}, "300ms"},
			{"half a message", event.ReasonTLSTimeout, func(t *testing.T,
				c *net.TCPConn) {
				mustWrite(t, c, hello[:len(hello)/2])
			}, "300ms"},
			{"one message", event.ReasonTLSTimeout, func(t *testing.T, c *net.TCPConn) { mustWrite(t, c, hello) }, "300ms"},
		} {
			t.Run(c.name, func(t *testing.T) {
				limits := server.Limits{}
				if c.reason == event.ReasonTLSTimeout {
					limits.HandshakeTimeout = 300 * time.Millisecond
				}
				g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.RequireAndVerifyClientCert),
					server.ProxyOff), Limits: limits})
				f := g.follow(event.Refused, event.Connected)
				client := g.dial()
				c.does(t, client)
				_, _ = io.Copy(io.Discard, client) // until the gateway closes
				g.expectRefusals(map[server.CloseReason]uint64{c.reason: 1})
				d, ok := f.await("an event", func(*event.Event) bool { return true }).Detail.(*event.RefusedDetail)
				if !ok || d.Reason != c.reason || !strings.Contains(d.Message, c.says) || d.Remote != client.LocalAddr().String() {
					t.Errorf("%+v; expected REFUSED with %s, and words with %q", d, c.reason, c.says)
				}
				g.settlePending(0)
			})
		}
	})
}

// A function of the TLS configuration that panics ends the handshake that called it, and nothing else.
func TestTLSConfigPanics(t *testing.T) {
	a := newAuthority(t)
	each(t, func(t *testing.T, engine string) {
		config := a.gateway(tls.NoClientCert)
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == "unknown.example" {
				panic("no such name")
			}
			return &config.Certificates[0], nil
		}
		logged := &lines{}
		g := startOn(t, engine, server.Config{Listeners: tlsListener(config, server.ProxyOff),
			Limits: server.Limits{MaxHandshakes: 1}, Logger: hclog.New(&hclog.LoggerOptions{Output: logged})})
		f := g.follow(event.Refused)
		for range 3 {
			other := a.client("")
			other.ServerName = "unknown.example"
			mustFail(t, g.dial(), other)
		}
		mustServe(t, tls.Client(g.dial(), a.client("")))
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonTLSHandshake: 3})
		if d := f.awaitType(event.Refused, "").Detail.(*event.RefusedDetail); !strings.Contains(d.Message,
			"panicked: no such name") {
			t.Errorf("REFUSED %+v", d)
		}
		if text := logged.String(); !strings.Contains(text, "TestTLSConfigPanics") {
			t.Errorf("the log is %q; expected the stack of the panic", text)
		}
	})
}

// mustFail checks that a client's handshake fails, or the first read after it.
func mustFail(t *testing.T, c net.Conn, config *tls.Config) {
	t.Helper()
	client := tls.Client(c, config)
	if err := client.Handshake(); err == nil {
		_, err = client.Read(make([]byte, 1)) // with TLS 1.3 a client learns only then that its certificate is refused
		if err == nil || isTimeout(err) {
			t.Errorf("the client is served: %v", err)
		}
	}
}

// Handshakes beyond the limit wait, and are refused without a turn in time. A live change of the limit gives more
// turns.
func TestHandshakeLimit(t *testing.T) {
	a := newAuthority(t)
	hello := a.hello()
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff),
			Limits: server.Limits{MaxHandshakes: 1, HandshakeTimeout: time.Hour}})
		g.SetPatience(time.Hour) // nobody gives way
		f := g.follow(event.Refused)
		stalling := g.dial()
		mustWrite(t, stalling, hello)
		mustRead(t, stalling, "\x16") // its handshake is under way
		g.update(func(l *server.Limits) { l.HandshakeTimeout = 50 * time.Millisecond })
		refused := g.dial()
		mustWrite(t, refused, hello)
		mustRefuse(t, refused)
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonHandshakeLimit: 1})
		if d := f.awaitType(event.Refused, "").Detail.(*event.RefusedDetail); !strings.Contains(d.Message,
			"1 TLS handshakes were under way") {
			t.Errorf("REFUSED %+v", d)
		}
		g.update(func(l *server.Limits) { l.HandshakeTimeout = time.Hour })
		waiting := tls.Client(g.dialFrom("127.0.0.2"), a.client(""))
		served := make(chan error, 1)
		go func() { served <- waiting.Handshake() }()
		g.settlePending(2)
		g.update(func(l *server.Limits) { l.MaxHandshakes = 2 })
		if err := <-served; err != nil {
			t.Fatal(err)
		}
		mustServe(t, waiting)
	})
}

// A flood of half-open connections does not hold up an established one or new ones, and a drain ends all of it.
func TestHalfOpenFlood(t *testing.T) {
	a := newAuthority(t)
	hello := a.hello()
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOptional),
			Limits: server.Limits{MaxHandshakes: 50, HandshakeTimeout: time.Hour}})
		established := tls.Client(g.dial(), a.client(""))
		mustServe(t, established)
		firsts := [][]byte{nil, []byte("PROXY"), []byte("PROXY TCP4 203"), hello[:5], hello[:len(hello)-1],
			append([]byte("PROXY UNKNOWN\r\n"), hello[:9]...)}
		const flood = 600
		for i := range flood {
			mustWrite(t, g.dial(), firsts[i%len(firsts)])
		}
		g.settlePending(flood)
		mustServe(t, established)
		mustServe(t, tls.Client(g.dial(), a.client("")))
		if totals := g.info().Totals; totals.Connections != 2 || totals.Accepted != 2 {
			t.Errorf("totals %+v; expected 2 connections", totals)
		}
		g.stop()
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonShutdown: flood})
	})
}

// A drain does not wait for handshakes that are under way or wait for their turn.
func TestDrainDuringHandshakes(t *testing.T) {
	a := newAuthority(t)
	hello := a.hello()
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff),
			Limits: server.Limits{MaxHandshakes: 2}})
		g.SetPatience(time.Hour) // nobody gives way
		for i := range 6 {
			c := g.dialFrom(fmt.Sprintf("127.0.0.%d", 1+i))
			mustWrite(t, c, hello)
			if i < 2 {
				mustRead(t, c, "\x16")
			}
		}
		g.settlePending(6)
		g.stop()
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonShutdown: 6})
	})
}

// Handshakes that end together with their timeout are served or refused, exactly once each: the audit counts.
func TestHandshakeTimeoutRaces(t *testing.T) {
	a := newAuthority(t)
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff),
			Limits: server.Limits{HandshakeTimeout: 2 * time.Millisecond}})
		const clients = 200
		for range clients {
			client := tls.Client(g.dial(), a.client(""))
			_ = client.Handshake() // may be cut off
			client.Close()
		}
		g.settlePending(0)
		g.settle(0)
		if totals := g.info().Totals; totals.Accepted+totals.Refused != clients {
			t.Errorf("%d accepted and %d refused of %d", totals.Accepted, totals.Refused, clients)
		}
	})
}

// Gateway says of each listener whether it has TLS, asks for certificates and takes PROXY headers.
func TestListenersAreDescribed(t *testing.T) {
	a := newAuthority(t)
	for _, c := range []struct {
		listener   server.ListenerConfig
		tls        bool
		auth, mode string
	}{
		{server.ListenerConfig{}, false, "", "off"},
		{server.ListenerConfig{TLS: a.gateway(tls.NoClientCert), Proxy: server.ProxyOptional}, true, "off", "optional"},
		{server.ListenerConfig{TLS: a.gateway(tls.VerifyClientCertIfGiven), Proxy: server.ProxyRequired}, true, "request",
			"required"},
		{server.ListenerConfig{TLS: a.gateway(tls.RequestClientCert)}, true, "request", "off"},
		{server.ListenerConfig{TLS: a.gateway(tls.RequireAndVerifyClientCert)}, true, "require", "off"},
	} {
		c.listener.Name, c.listener.Address, c.listener.ProxyTrusted = "main", "127.0.0.1:0", balancers
		g := start(t, server.Config{Listeners: []server.ListenerConfig{c.listener}})
		if l := g.info().Listeners[0]; l.TLS != c.tls || l.ClientAuth != c.auth || l.Proxy != c.mode {
			t.Errorf("%+v; expected TLS %v, %q, %q", l, c.tls, c.auth, c.mode)
		}
		g.stop()
	}
}
