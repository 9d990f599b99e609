package attempts

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// from connects to a listener from a loopback address of this machine.
func (g *guarded) from(ip, listener string) net.Conn {
	g.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 20 * time.Second}
	conn, err := dialer.DialContext(within(g.t), "tcp", g.listeners[listener])
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // a connection that was just made takes one
	return conn
}

// refusals returns the refused connections that the gateway has counted, by reason.
func (g *guarded) refusals() map[string]uint64 {
	g.t.Helper()
	info, err := g.admin.GetGateway(within(g.t), &pb.GetGatewayRequest{})
	if err != nil {
		g.t.Fatal(err)
	}
	return info.GetTotals().GetRefusals()
}

// refused returns the peer's view, and the gateway's reasons for the connections that it refused meanwhile.
func (g *guarded) refused(try func() string) string {
	g.t.Helper()
	before := g.refusals()
	saw := try()
	for ctx := within(g.t); ; {
		var reasons []string
		for reason, n := range g.refusals() {
			if n > before[reason] {
				reasons = append(reasons, reason)
			}
		}
		if slices.Sort(reasons); len(reasons) > 0 {
			return saw + "; " + strings.Join(reasons, ", ")
		}
		if ctx.Err() != nil {
			return saw + "; not refused"
		}
	}
}

// ended says how a connection ends that must carry no bytes.
func ended(conn net.Conn) string {
	b := make([]byte, 100)
	n, err := conn.Read(b)
	switch {
	case n > 0:
		return fmt.Sprintf("%q came back", b[:n])
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "it stays open"
	}
	return "closed"
}

// says sends a text and says how the connection ends.
func says(conn net.Conn, text string) string {
	_, _ = io.WriteString(conn, text) // reading shows whether the connection is closed already
	return ended(conn)
}

// shakes makes a TLS handshake and an echo, and says how far it came.
func shakes(conn net.Conn, config *tls.Config) string {
	secure := tls.Client(conn, config)
	_, err := io.WriteString(secure, "hi")
	if err == nil {
		_, err = io.ReadFull(secure, make([]byte, 2))
	}
	var alert tls.AlertError
	var header tls.RecordHeaderError
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &alert):
		return "TLS alert: " + strings.TrimPrefix(alert.Error(), "tls: ")
	case errors.As(err, &header):
		return "no TLS there: the client ends"
	case strings.Contains(err.Error(), "remote error: tls: "):
		_, text, _ := strings.Cut(err.Error(), "remote error: tls: ")
		return "TLS alert: " + text
	}
	return "closed"
}

// half is the beginning of a ClientHello record of 512 bytes.
const half = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

func (g *guarded) dataAttempts() []attempt {
	stranger, old := g.strangers.issue("stranger-device", "", nil), g.ca.issue("old-device", "", expired)
	device := g.ca.issue("device", "spiffe://example.org/device/7", nil)
	trusting := func(certs ...tls.Certificate) *tls.Config {
		config := &tls.Config{RootCAs: g.ca.Pool(), ServerName: "localhost"}
		if len(certs) > 0 {
			config.GetClientCertificate = presenting(certs[0])
		}
		return config
	}
	const client = "PROXY TCP4 203.0.113.7 127.0.0.1 4000 8017\r\n"
	plain := func(listener, text string) func() string {
		return func() string { return g.refused(func() string { return says(g.from("127.0.0.1", listener), text) }) }
	}
	balanced := func(text string) func() string {
		return func() string { return g.refused(func() string { return says(g.from("127.0.0.2", "balanced"), text) }) }
	}
	secure := func(listener string, config *tls.Config) func() string {
		return func() string {
			return g.refused(func() string { return shakes(g.from("127.0.0.1", listener), config) })
		}
	}
	return []attempt{
		{"plain text to a TLS listener", plain("tls", "GET / HTTP/1.1\r\n\r\n")},
		{"TLS to a plain listener, which echoes it",
			func() string { return shakes(g.from("127.0.0.1", "plain"), trusting()) }},
		{"TLS 1.1", secure("tls", tlsVersion(tls.VersionTLS11))},
		{"TLS 1.2 with a suite without forward secrecy",
			secure("tls", tlsVersion(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256))},
		{"TLS 1.2 with a CBC suite", secure("tls", tlsVersion(tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA))},
		{"half a ClientHello, and then silence", plain("tls", half)},
		{"not a word to a TLS listener", plain("tls", "")},
		{"no certificate where one is required", secure("mutual", trusting())},
		{"a device's certificate, of another CA", secure("mutual", trusting(stranger))},
		{"a device's certificate that has expired", secure("mutual", trusting(old))},
		{"a PROXY header from an address that is no balancer's", plain("balanced", client+"hi")},
		{"the same where a header is optional: it is data", func() string {
			conn := g.from("127.0.0.1", "perhaps")
			return says(conn, client) + ", as " + g.remoteOf("perhaps")
		}},
		{"a balancer without a header where one is required", balanced("hello, this is no header\r\n")},
		{"a balancer's header that is too long", balanced("PROXY TCP4 " + strings.Repeat("1", 200))},
		{"a balancer's header that is cut short", balanced("PROXY TCP4 203.0.113.7")},
		{"an address of the deny list, behind a balancer",
			g.limited(&pb.Limits{Deny: []string{"203.0.113.0/24"}}, "deny", balanced(client+"hi"))},
		{"an address that is not in the allow list, behind a balancer",
			g.limited(&pb.Limits{Allow: []string{"198.51.100.0/24"}}, "allow", balanced(client+"hi"))},
		{"a banned address, behind a balancer", g.banned("203.0.113.7", false, balanced(client+"hi"))},
		{"a banned network's IPv4 address, written as IPv6", g.banned("203.0.113.0/24", false,
			balanced("PROXY TCP6 ::ffff:203.0.113.7 ::1 4000 8017\r\nhi"))},
		{"a banned identity, from an address that is not banned",
			g.banned("spiffe://example.org/device/7", true, secure("mutual", trusting(device)))},
		{"one connection more than an address may have",
			g.limited(&pb.Limits{ConnectionsPerIp: 1}, "connections_per_ip", func() string {
				_ = says(g.from("127.0.0.3", "plain"), "hi")
				return g.refused(func() string { return says(g.from("127.0.0.3", "plain"), "hi") })
			})},
		{"one connection more than a /64 network may have",
			g.limited(&pb.Limits{ConnectionsPerIpv6Network: 1}, "connections_per_ipv6_network", func() string {
				_ = says(g.from("127.0.0.2", "balanced"), "PROXY TCP6 2001:db8::1 ::1 4000 8017\r\nhi")
				return g.refused(func() string {
					return says(g.from("127.0.0.2", "balanced"), "PROXY TCP6 2001:db8::2 ::1 4000 8017\r\nhi")
				})
			})},
		{"one connection more than an address may make at once",
			g.limited(&pb.Limits{AcceptRatePerIp: 0.001, AcceptBurstPerIp: 1}, "accept_rate_per_ip,accept_burst_per_ip",
				func() string {
					_ = says(g.from("127.0.0.4", "plain"), "hi")
					return g.refused(func() string { return says(g.from("127.0.0.4", "plain"), "hi") })
				})},
		{"one connection more than all may make at once",
			g.limited(&pb.Limits{AcceptRate: 0.001, AcceptBurst: 1}, "accept_rate,accept_burst", func() string {
				_ = says(g.from("127.0.0.5", "plain"), "hi")
				return g.refused(func() string { return says(g.from("127.0.0.5", "plain"), "hi") })
			})},
		{"one connection more than a listener may have",
			g.limited(&pb.Limits{ListenerConnections: map[string]uint64{"plain": 1}}, "listener_connections",
				func() string {
					_ = says(g.from("127.0.0.6", "plain"), "hi")
					return g.refused(func() string { return says(g.from("127.0.0.6", "plain"), "hi") })
				})},
		{"one connection more than the gateway may have",
			g.limited(&pb.Limits{MaxConnections: 1}, "max_connections", func() string {
				_ = says(g.from("127.0.0.7", "plain"), "hi")
				return g.refused(func() string { return says(g.from("127.0.0.7", "plain"), "hi") })
			})},
		{"to connect and say nothing, where a first byte is due",
			g.limited(&pb.Limits{FirstByteTimeout: durationpb.New(200 * time.Millisecond)}, "first_byte_timeout",
				func() string { return ended(g.from("127.0.0.8", "plain")) + "; " + g.lastReason("plain") })},
	}
}

// limited tries something under other limits than usual, and restores those.
func (g *guarded) limited(limits *pb.Limits, mask string, try func() string) func() string {
	return func() string {
		before, err := g.admin.GetLimits(within(g.t), &pb.GetLimitsRequest{})
		if err != nil {
			return answer(err)
		}
		g.disconnect()
		set := func(l *pb.Limits) error {
			_, err := g.admin.UpdateLimits(within(g.t), &pb.UpdateLimitsRequest{Limits: l,
				UpdateMask: &fieldmaskpb.FieldMask{Paths: strings.Split(mask, ",")}})
			return err
		}
		if err := set(limits); err != nil {
			return answer(err)
		}
		saw := try()
		if err := set(before.GetLimits()); err != nil {
			return answer(err)
		}
		return saw
	}
}

// disconnect ends the connections of earlier attempts.
func (g *guarded) disconnect() {
	g.t.Helper()
	if _, err := g.admin.Kick(within(g.t), &pb.KickRequest{Filter: "true",
		FlushTimeout: durationpb.New(10 * time.Millisecond)}); err != nil {
		g.t.Fatal(err)
	}
}

// banned tries something while a target is banned.
func (g *guarded) banned(target string, identity bool, try func() string) func() string {
	return func() string {
		if _, err := g.admin.AddBan(within(g.t), &pb.AddBanRequest{Target: target, Identity: identity,
			Reason: "a test"}); err != nil {
			return answer(err)
		}
		saw := try()
		if _, err := g.admin.RemoveBan(within(g.t), &pb.RemoveBanRequest{Target: target,
			Identity: identity}); err != nil {
			return answer(err)
		}
		return saw
	}
}

// remoteOf returns the IP address of the newest connection of a listener.
func (g *guarded) remoteOf(listener string) string {
	page, err := g.admin.ListConnections(context.Background(),
		&pb.ListConnectionsRequest{Filter: `listener == "` + listener + `"`})
	if err != nil || len(page.GetConnections()) == 0 {
		return fmt.Sprint("nobody: ", err)
	}
	host, _, _ := net.SplitHostPort(page.GetConnections()[len(page.GetConnections())-1].GetRemoteAddress())
	return host
}

// lastReason returns the close reason of the connection from 127.0.0.8 that a listener lost last.
func (g *guarded) lastReason(listener string) string {
	for ctx := within(g.t); ctx.Err() == nil; {
		page, err := g.admin.ListConnections(ctx, &pb.ListConnectionsRequest{Filter: `listener == "` + listener +
			`" && remote_ip == "127.0.0.8"`, State: pb.ListState_LIST_STATE_CLOSED})
		if err != nil {
			return answer(err)
		}
		if n := len(page.GetConnections()); n > 0 {
			return strings.TrimPrefix(page.GetConnections()[n-1].GetCloseReason().String(), "CLOSE_REASON_")
		}
	}
	return "not closed"
}
