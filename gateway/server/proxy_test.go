package server_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// header2 returns a PROXY header of version 2: a command (0 LOCAL, 1 PROXY), the family and protocol, and the bytes
// behind the length.
func header2(command, family byte, rest ...[]byte) []byte {
	all := slices.Concat(rest...)
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(all))), all...)
}

// addresses4 returns the IPv4 addresses and ports of a client and of the service.
func addresses4(client, service string) []byte {
	c, s := netip.MustParseAddrPort(client), netip.MustParseAddrPort(service)
	b := slices.Concat(c.Addr().AsSlice(), s.Addr().AsSlice())
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, c.Port()), s.Port())
}

// tlv returns a detail of a header of version 2.
func tlv(kind byte, value ...[]byte) []byte {
	all := slices.Concat(value...)
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(all))), all...)
}

// withChecksum appends a checksum to a header of version 2, wrong by off.
func withChecksum(b []byte, off uint32) []byte {
	b = append(b, tlv(3, make([]byte, 4))...)
	binary.BigEndian.PutUint16(b[14:], uint16(len(b)-16))
	binary.BigEndian.PutUint32(b[len(b)-4:], off+crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// details returns a balancer's details about TLS with a client: flags, the result of the verification, and names.
func details(flags byte, verify uint32, name string) []byte {
	return tlv(0x20, []byte{flags}, binary.BigEndian.AppendUint32(nil, verify), tlv(0x21, []byte("TLSv1.3")),
		tlv(0x22, []byte(name)), tlv(0x23, []byte("TLS_AES_128_GCM_SHA256")))
}

const client4, service4 = "203.0.113.7:40000", "198.51.100.1:443"

// goodHeaders are headers that are accepted, each with its client; the zero value for a header without one.
var goodHeaders = []struct {
	name   string
	header []byte
	remote string
	peer   event.Peer
}{
	{"version 1", []byte("PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\n"), client4, event.Peer{}},
	{"version 1, IPv6", []byte("PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n"), "[2001:db8::7]:40000", event.Peer{}},
	{"version 1, mapped", []byte("PROXY TCP6 ::ffff:203.0.113.7 ::ffff:198.51.100.1 40000 443\r\n"), client4,
		event.Peer{}},
	{"version 1, unknown", []byte("PROXY UNKNOWN\r\n"), "", event.Peer{}},
	{"version 1, longest", []byte("PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n"), "", event.Peer{}},
	{"version 2", header2(1, 0x11, addresses4(client4, service4)), client4, event.Peer{}},
	{"version 2, IPv6", header2(1, 0x21, netip.MustParseAddr("2001:db8::7").AsSlice(),
		netip.MustParseAddr("2001:db8::1").AsSlice(), []byte{0x9c, 0x40, 1, 187}), "[2001:db8::7]:40000", event.Peer{}},
	{"local", header2(0, 0), "", event.Peer{}},
	{"local with an address", header2(0, 0x11, addresses4(client4, service4)), "", event.Peer{}},
	{"local with rubbish", header2(0, 0x11, []byte("rubbish")), "", event.Peer{}},
	{"local with rubbish for details", header2(0, 0, []byte("\x03\xff\xff")), "", event.Peer{}},
	{"unspecified", header2(1, 0, tlv(2, []byte("game.example"))), "", event.Peer{ServerName: "game.example"}},
	{"unix", header2(1, 0x31, make([]byte, 216)), "", event.Peer{}},
	{"datagrams", header2(1, 0x12, addresses4(client4, service4)), "", event.Peer{}},
	{"checksum", withChecksum(header2(1, 0x11, addresses4(client4, service4), tlv(4, make([]byte, 7))), 0), client4,
		event.Peer{}},
	{"details", header2(1, 0x11, addresses4(client4, service4), tlv(0xe7, []byte("unknown")), tlv(1, []byte("mqtt")),
		tlv(4, make([]byte, 3)), tlv(2, []byte("game.example")), details(1|2, 0, "device-7")), client4,
		event.Peer{TLSVersion: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256",
			Protocol: "mqtt", ServerName: "game.example", Identity: "device-7"}},
	{"not verified", header2(1, 0x11, addresses4(client4, service4), details(1|2, 1, "device-7")), client4,
		event.Peer{TLSVersion: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256"}},
	{"no certificate", header2(1, 0x11, addresses4(client4, service4), details(1, 0, "device-7")), client4,
		event.Peer{TLSVersion: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256"}},
	{"a name like a SPIFFE ID", header2(1, 0x11, addresses4(client4, service4),
		details(1|2, 0, "spiffe://trust/device-7")), client4,
		event.Peer{TLSVersion: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256"}},
	{"not text", header2(1, 0x11, addresses4(client4, service4), tlv(1, []byte("m\xffq")),
		tlv(2, bytes.Repeat([]byte("n"), 300))), client4, event.Peer{Protocol: "mq", ServerName: strings.Repeat("n", 255)}},
	{"longest", header2(1, 0x11, addresses4(client4, service4), tlv(0xe0, make([]byte, 4096-12-3))), client4,
		event.Peer{}},
}

// A connection has the address of the client everywhere, and keeps the balancer's. Bytes behind the header are data.
// This holds for one segment, byte by byte, and in two halves, with optional and with required headers.
func TestProxyHeader(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, mode := range []server.ProxyMode{server.ProxyOptional, server.ProxyRequired} {
			g := startOn(t, engine, server.Config{Listeners: proxyListener(mode)})
			for _, c := range goodHeaders {
				for split, pieces := range map[string][][]byte{
					"whole": {slices.Concat(c.header, []byte("hello"))},
					"bytes": slices.Collect(slices.Chunk(slices.Concat(c.header, []byte("hello")), 1)),
					"apart": {c.header[:len(c.header)/2], c.header[len(c.header)/2:], []byte("hello")},
				} {
					if split == "bytes" && len(c.header) > 300 {
						continue // they add nothing but time
					}
					f := g.follow(event.Connected)
					client := g.dial()
					for _, p := range pieces {
						mustWrite(t, client, p)
					}
					mustRead(t, client, "hello")
					conn := f.awaitType(event.Connected, "").Conn
					f.sub.Close()
					own := client.LocalAddr().String()
					want, proxy := c.remote, own
					if want == "" {
						want, proxy = own, ""
					}
					peer := conn.Known()
					peer.Proxy = netip.AddrPort{}
					if conn.RemoteAddr() != want || conn.ProxyAddr() != proxy || conn.LocalAddr() != g.addr() ||
						peer != c.peer {
						t.Errorf("%s, %s, %s: remote %s, proxy %q, local %s, %+v; expected %s, %q, %s, %+v", mode, c.name, split,
							conn.RemoteAddr(), conn.ProxyAddr(), conn.LocalAddr(), peer, want, proxy, g.addr(), c.peer)
					}
					client.Close()
				}
			}
			if refusals := g.info().Totals.Refusals; len(refusals) > 0 {
				t.Errorf("%s: refused %v", mode, refusals)
			}
		}
	})
}

// A wrong header closes the connection with a reason of its own, and words that say what is wrong.
func TestBadProxyHeader(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, mode := range []server.ProxyMode{server.ProxyOptional, server.ProxyRequired} {
			for _, c := range []struct{ header, says string }{
				{"PROXY TCP4 203.0.113.7 198.51.100.1 40000\r\n", "malformed"},
				{"PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\n", "\\r\\n"},
				{"PROXY TCP4 203.0.113.700 198.51.100.1 40000 443\r\n", "invalid address"},
				{"PROXY TCP4 203.0.113.7 198.51.100.1 40000 65536\r\n", "invalid port"},
				{"PROXY  TCP4 203.0.113.7 198.51.100.1 40000 443\r\n", "family"},
				{"PROXY " + strings.Repeat("x", 200), "within 107 bytes"},
				{string(header2(2, 0x11, addresses4(client4, service4))), "command"},
				{string(header2(1, 0x41, addresses4(client4, service4))), "family"},
				{string(header2(1, 0x11, []byte("short"))), "length"},
				{string(header2(1, 0x11, addresses4(client4, service4), []byte{4, 0})), "cut off"},
				{string(header2(1, 0x11, addresses4(client4, service4), []byte{4, 0, 9, 0})), "cut off"},
				{string(withChecksum(header2(1, 0x11, addresses4(client4, service4)), 1)), "checksum"},
				{string(header2(1, 0x11, addresses4(client4, service4), tlv(3, []byte("abc")))), "checksum has 3 bytes"},
				{string(header2(1, 0x11, addresses4(client4, service4), tlv(0x20, []byte{1, 0, 0, 0, 0, 0x21, 0, 9}))), "TLS"},
				{string(header2(1, 0x11, addresses4(client4, service4), details(3, 0, strings.Repeat("n", 1025)))), "1025"},
				{string(header2(1, 0x11, make([]byte, 4097))), "at most 4096"},
			} {
				g := startOn(t, engine, server.Config{Listeners: proxyListener(mode)})
				f := g.follow(event.Refused)
				client := g.dial()
				mustWrite(t, client, []byte(c.header))
				mustRefuse(t, client)
				g.expectRefusals(map[server.CloseReason]uint64{event.ReasonProxyHeader: 1})
				d := f.awaitType(event.Refused, "").Detail.(*event.RefusedDetail)
				if !strings.Contains(d.Message, c.says) || d.Remote != client.LocalAddr().String() {
					t.Errorf("%q is refused with %q for %s; expected words with %q", c.header, d.Message, d.Remote, c.says)
				}
				g.stop()
			}
		}
	})
}

// A listener that requires a header refuses a connection without one, and a peer that leaves before its header is
// complete. With optional headers such bytes are data.
func TestWithoutProxyHeader(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, first := range []string{"hello", "P", "PROXYING is data", "\r\n\r\nGET", "PROXX", ""} {
			g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyOptional)})
			f := g.follow(event.Connected, event.Ended, event.Closed)
			client := g.dial()
			for i := range len(first) {
				mustWrite(t, client, []byte(first[i:i+1]))
			}
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if echo, err := io.ReadAll(client); err != nil || string(echo) != first {
				t.Errorf("optional: %q came back as %q, %v", first, echo, err)
			}
			closed := f.awaitType(event.Closed, "").Conn
			if closed.BytesReceived != uint64(len(first)) || closed.CloseReason != event.ReasonPeerClosed || closed.Peer != nil {
				t.Errorf("optional: %q was closed with %+v", first, closed)
			}
			g.stop()

			g = startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyRequired)})
			client = g.dial()
			mustWrite(t, client, []byte(first))
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, client)
			g.expectRefusals(map[server.CloseReason]uint64{event.ReasonProxyHeader: 1})
			g.stop()
		}
	})
}

// A listener that requires a header refuses a peer that resets before its header is complete.
func TestResetBeforeProxyHeader(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyRequired)})
		client := g.dial()
		mustWrite(t, client, []byte("PROXY TC"))
		g.settlePending(1)
		if err := client.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		client.Close()
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonProxyHeader: 1})
	})
}

// An untrusted peer's header is refused where headers are required, and data elsewhere, so that no peer can claim
// another's address.
func TestSpoofedProxyHeader(t *testing.T) {
	const spoofed = "PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\n"
	each(t, func(t *testing.T, engine string) {
		for _, mode := range []server.ProxyMode{server.ProxyOff, server.ProxyOptional} {
			g := startOn(t, engine, server.Config{Listeners: proxyListener(mode),
				Limits: server.Limits{Deny: networks("203.0.113.0/24")}})
			f := g.follow(event.Connected)
			client := g.dialFrom("127.0.0.2")
			mustWrite(t, client, []byte(spoofed))
			mustRead(t, client, spoofed)
			if conn := f.awaitType(event.Connected, "").Conn; conn.RemoteAddr() != client.LocalAddr().String() ||
				conn.Peer != nil {
				t.Errorf("%s: remote %s, %+v; expected the socket's own, %s", mode, conn.RemoteAddr(), conn.Peer,
					client.LocalAddr())
			}
			g.stop()
		}
		g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyRequired)})
		mustRefuse(t, g.dialFrom("127.0.0.2"))
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonProxyUntrusted: 1})
	})
}

// Lists, counts and rates judge the client behind the balancer, and not the balancer.
func TestLimitsBehindBalancer(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyOptional), Limits: server.Limits{
			Deny: networks("127.0.0.1/32", "203.0.113.66/32"), ConnectionsPerIP: 2, AcceptRatePerIP: 0.001,
			AcceptBurstPerIP: 3}})
		f := g.follow(event.Refused, event.Closed)
		from := func(ip string) *net.TCPConn {
			c := g.dial()
			mustWrite(t, c, []byte("PROXY TCP4 "+ip+" 198.51.100.1 40000 443\r\n"))
			return c
		}
		mustRefuse(t, from("203.0.113.66"))
		if d := f.awaitType(event.Refused, "").Detail.(*event.RefusedDetail); d.Remote != "203.0.113.66:40000" {
			t.Errorf("REFUSED of %s; expected the client's address", d.Remote)
		}
		first := from("203.0.113.7")
		mustServe(t, first)
		mustServe(t, from("203.0.113.7"))
		mustRefuse(t, from("203.0.113.7"))
		mustServe(t, from("203.0.113.8"))
		first.Close()
		f.awaitType(event.Closed, "")
		mustServe(t, from("203.0.113.7"))
		g.update(func(l *server.Limits) { l.ConnectionsPerIP = 0 })
		mustRefuse(t, from("203.0.113.7"))
		direct := g.dial() // no header: its own address, which is denied
		mustWrite(t, direct, []byte("hello"))
		mustRefuse(t, direct)
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonDenied: 2, event.ReasonIPLimit: 1,
			event.ReasonIPAcceptRate: 1})
	})
}

// On a unix socket, every process that may open the file is trusted, and the header has the client's address.
func TestProxyOnUnixSocket(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		path := t.TempDir() + "/s"
		g := startOn(t, engine, server.Config{Listeners: []server.ListenerConfig{{Name: "main", Address: "unix://" + path,
			Proxy: server.ProxyOptional}}, Limits: server.Limits{Allow: networks("203.0.113.0/24")}})
		f := g.follow(event.Connected)
		for _, c := range []struct{ header, remote string }{
			{"PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\n", client4}, {"PROXY UNKNOWN\r\n", "unix:" + path},
			{"", "unix:" + path}} {
			client, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			mustWrite(t, client, []byte(c.header))
			mustServe(t, client)
			conn := f.awaitType(event.Connected, "").Conn
			if conn.RemoteAddr() != c.remote || conn.LocalAddr() != "unix:"+path || conn.ProxyAddr() != "" {
				t.Errorf("remote %s, local %s, proxy %q; expected %s", conn.RemoteAddr(), conn.LocalAddr(),
					conn.ProxyAddr(), c.remote)
			}
		}
		denied, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer denied.Close()
		mustWrite(t, denied, []byte("PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n"))
		mustRefuse(t, denied)
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonDenied: 1})
	})
}

// greeter sends first, and then echoes.
var greeter = &hooks{open: func(c *server.Conn) { _, _ = c.Send([]byte("welcome\n")) },
	data: func(c *server.Conn, p []byte) { _, _ = c.Send(p) }}

// With optional headers, a client that waits for the server to speak first is greeted after the handshake timeout, and
// its bytes until then are data. When a header is required or has begun, the client is refused.
func TestLateProxyHeader(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		limits := server.Limits{HandshakeTimeout: 50 * time.Millisecond}
		for _, first := range []string{"", "PROX"} {
			g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyOptional), Handler: greeter,
				Limits: limits})
			client := g.dial()
			mustWrite(t, client, []byte(first))
			mustRead(t, client, "welcome\n"+first)
			mustServe(t, client)
			g.stop()
		}
		for mode, first := range map[server.ProxyMode]string{server.ProxyRequired: "", server.ProxyOptional: "PROXY TCP4"} {
			g := startOn(t, engine, server.Config{Listeners: proxyListener(mode), Handler: greeter, Limits: limits})
			f := g.follow(event.Refused)
			client := g.dial()
			mustWrite(t, client, []byte(first))
			mustRefuse(t, client)
			g.expectRefusals(map[server.CloseReason]uint64{event.ReasonProxyTimeout: 1})
			if d := f.awaitType(event.Refused, "").Detail.(*event.RefusedDetail); !strings.Contains(d.Message, "50ms") {
				t.Errorf("REFUSED %+v", d)
			}
			g.stop()
		}
	})
}

// Clients whose timeout comes together with their first bytes, their end or a drain are served or refused, exactly once
// each: the audit counts.
func TestProxyTimeoutRaces(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyOptional), Handler: greeter,
			Limits: server.Limits{HandshakeTimeout: time.Millisecond}})
		for i := range 300 {
			client := g.dial()
			switch i % 3 {
			case 0:
				mustWrite(t, client, []byte("hello"))
				mustRead(t, client, "welcome\nhello")
			case 1:
				client.Close()
			case 2:
				if err := client.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				mustRead(t, client, "welcome\n")
				mustEnd(t, client)
			}
		}
		for range 50 {
			g.dial()
		}
	})
}
