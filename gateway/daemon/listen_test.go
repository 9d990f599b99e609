package daemon_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/daemon"
	"github.com/sockgate/sockgate/gateway/server"
)

// handshake makes a TLS handshake over a pipe between a client and a listener's configuration. It returns the client's
// view of it.
func handshake(t *testing.T, listener, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	served := make(chan error, 1)
	go func() {
		conn := tls.Server(far, listener)
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte{1})
		}
		_ = far.Close()
		served <- err
	}()
	conn := tls.Client(near, client)
	_, err := io.ReadFull(conn, make([]byte, 1)) // a server refuses a certificate after the client has finished
	if failed := <-served; err == nil {
		err = failed
	}
	return conn.ConnectionState(), err
}

// TestListenWords checks that words after an address change one listener, and that the others keep the settings for
// all.
func TestListenWords(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.server("all", "for all", "gateway.example")
	own, ownKey := ca.server("own name", "its own", "games.example") // a path with a space
	config, err := daemon.ServerConfig(t, "--tls-cert", cert, "--tls-key", key, "--tls-alpn", "a",
		"--tls-min-version", "1.3", "--proxy-protocol", "optional", "--proxy-trusted", "10.0.0.0/8",
		"--listen", ":1",
		"--listen", "plain=:2 tls=off proxy=off",
		"--listen", fmt.Sprintf(`games=:3  tls=on tls-cert=%q tls-key=%q client-ca=%s alpn=b alpn=c min-version=1.2 `, own,
			ownKey, ca.dir+"/ca.pem")+
			"proxy=required proxy-trusted=::/0 proxy-trusted=192.0.2.1 max-connections=1000",
		"--listen", `"unix:///my files/x" tls=off`)
	check(t, err)
	var got []string
	for _, l := range config.Listeners {
		got = append(got, fmt.Sprint(l.Name, " ", l.Address, " ", l.TLS != nil, " ", l.Proxy, " ", l.ProxyTrusted))
	}
	if want := ":1 :1 true optional [10.0.0.0/8]; plain :2 false off []; games :3 true required [::/0 192.0.2.1/32]; " +
		"unix:///my files/x unix:///my files/x false optional [10.0.0.0/8]"; strings.Join(got, "; ") != want {
		t.Errorf("%s; expected %s", strings.Join(got, "; "), want)
	}
	if n := config.Limits.ListenerConnections; len(n) != 1 || n["games"] != 1000 {
		t.Error(n)
	}
	client := ca.trusted("gateway.example")
	client.NextProtos = []string{"b", "a"}
	state, err := handshake(t, config.Listeners[0].TLS, client)
	check(t, err)
	if state.PeerCertificates[0].Subject.CommonName != "for all" || state.NegotiatedProtocol != "a" {
		t.Error(state.PeerCertificates[0].Subject, state.NegotiatedProtocol)
	}
	older := ca.trusted("games.example", ca.client("client"))
	older.MaxVersion, older.NextProtos = tls.VersionTLS12, []string{"c"}
	state, err = handshake(t, config.Listeners[2].TLS, older)
	check(t, err)
	if state.PeerCertificates[0].Subject.CommonName != "its own" || state.NegotiatedProtocol != "c" ||
		state.Version != tls.VersionTLS12 {
		t.Error(state.PeerCertificates[0].Subject, state.NegotiatedProtocol, state.Version)
	}
	if _, err := handshake(t, config.Listeners[2].TLS, ca.trusted("games.example")); err == nil {
		t.Error("a client CA alone lets in clients without a certificate")
	}
	older.ServerName, older.InsecureSkipVerify = "gateway.example", true
	if _, err := handshake(t, config.Listeners[0].TLS, older); err == nil {
		t.Error("TLS 1.2 is spoken where 1.3 is the least")
	}
}

// TestClientAuthWords checks client-auth and client-ca, for all listeners and for one.
func TestClientAuthWords(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.server("all", "for all", "gateway.example")
	authorities := ca.dir + "/ca.pem"
	for _, c := range []struct {
		flags []string
		words string
		want  tls.ClientAuthType
	}{
		{nil, "", tls.NoClientCert},
		{[]string{"--tls-client-ca", authorities}, "", tls.RequireAndVerifyClientCert},
		{[]string{"--tls-client-ca", authorities, "--tls-client-auth", "request"}, "", tls.VerifyClientCertIfGiven},
		{[]string{"--tls-client-ca", authorities, "--tls-client-auth", "off"}, "", tls.NoClientCert},
		{[]string{"--tls-client-ca", authorities}, "client-auth=off", tls.NoClientCert},
		{[]string{"--tls-client-ca", authorities}, "client-auth=request", tls.VerifyClientCertIfGiven},
		{[]string{"--tls-client-auth", "request"}, "client-ca=" + authorities, tls.VerifyClientCertIfGiven},
		{nil, "client-ca=" + authorities, tls.RequireAndVerifyClientCert},
	} {
		config, err := daemon.ServerConfig(t, append(c.flags, "--tls-cert", cert, "--tls-key", key, "--listen",
			":1 "+c.words)...)
		if err != nil || config.Listeners[0].TLS.ClientAuth != c.want {
			t.Errorf("%v %s: %v, %v; expected %v", c.flags, c.words, config.Listeners, err, c.want)
		}
	}
}

// TestFramesOfListeners checks that the words about frames reach the server's configuration.
func TestFramesOfListeners(t *testing.T) {
	config, err := daemon.ServerConfig(t, "--listen", "dev=:1 frame=length:2,offset=4 max-frame=260 frame-timeout=5s",
		"--listen", ":2")
	check(t, err)
	if l := config.Listeners[0]; l.Frame.String() != "length:2,offset=4" || l.MaxFrame != 260 || l.FrameTimeout != 5e9 {
		t.Errorf("%+v", l)
	}
	if l := config.Listeners[1]; l.Frame.String() != "raw" || l.MaxFrame != 0 || l.FrameTimeout != 0 {
		t.Errorf("%+v", l)
	}
}

// TestLimitFlags checks that each limit's flag sets that limit.
func TestLimitFlags(t *testing.T) {
	config, err := daemon.ServerConfig(t, "--listen", "a=:1 max-connections=7", "--max-connections", "10",
		"--max-connections-per-ip", "11", "--max-connections-per-ipv6-network", "12",
		"--accept-rate", "13.5", "--accept-burst", "14", "--accept-rate-per-ip", "0.5", "--accept-burst-per-ip", "16",
		"--receive-rate", "17KiB", "--receive-message-rate", "18",
		"--handshake-timeout", "19s", "--max-handshakes", "20", "--first-byte-timeout", "21s",
		"--allow", "10.1.2.3/8", "--allow", "::ffff:192.0.2.1", "--deny", "2001:db8::1",
		"--queue-budget", "22MiB", "--high-water", "23", "--send-queue-limit", "24",
		"--write-timeout", "25s", "--idle-timeout", "26s",
		"--hold-timeout", "27s", "--max-held", "28", "--admit-timeout", "29s", "--handler-window", "30KiB",
		"--handler-budget", "31MiB")
	check(t, err)
	config.Limits.LowWater = 1 // has no flag
	for l, i := reflect.ValueOf(config.Limits), 0; i < l.NumField(); i++ {
		if l.Field(i).IsZero() {
			t.Errorf("no flag of this test sets %s", l.Type().Field(i).Name)
		}
	}
	want := server.Limits{
		MaxConnections: 10, ListenerConnections: map[string]int{"a": 7}, ConnectionsPerIP: 11, ConnectionsPerIPv6Network: 12,
		AcceptRate: 13.5, AcceptBurst: 14, AcceptRatePerIP: 0.5, AcceptBurstPerIP: 16,
		ReceiveRate: 17 << 10, ReceiveMessageRate: 18, HandshakeTimeout: 19e9, MaxHandshakes: 20, FirstByteTimeout: 21e9,
		Allow:       []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")},
		Deny:        []netip.Prefix{netip.MustParsePrefix("2001:db8::1/128")},
		QueueBudget: 22 << 20, HighWater: 23, LowWater: 1, SendQueueLimit: 24, WriteTimeout: 25e9, IdleTimeout: 26e9,
		HoldTimeout: 27e9, MaxHeld: 28, AdmitTimeout: 29e9, HandlerWindow: 30 << 10, HandlerBudget: 31 << 20,
	}
	if got, want := fmt.Sprintf("%+v", config.Limits), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("%s\nexpected\n%s", got, want)
	}
}

// TestNoHoldFlag checks that a hold timeout of 0 is no wait, and not the server's default.
func TestNoHoldFlag(t *testing.T) {
	config, err := daemon.ServerConfig(t, "--hold-timeout", "0")
	check(t, err)
	if got := config.Limits.HoldTimeout; got != server.NoHold {
		t.Errorf("%s; expected %s", got, server.NoHold)
	}
}

// TestListenMistakes checks that every mistake in a listener, its TLS or its PROXY headers is refused with a sentence
// that names it.
func TestListenMistakes(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.server("all", "for all", "gateway.example")
	pair := []string{"--tls-cert", cert, "--tls-key", key}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--listen", ":1 tsl=on"}, []string{`unknown word "tsl"`,
			"tls, tls-cert, tls-key, client-ca, client-auth, min-version, alpn, proxy, proxy-trusted, max-connections, " +
				"handler, frame, max-frame, frame-timeout"}},
		{[]string{"--listen", ":1 tls"}, []string{"tls has no value"}},
		{[]string{"--listen", ":1 tls="}, []string{"tls has no value"}},
		{[]string{"--listen", ":1 =on"}, []string{`unknown word ""`}},
		{[]string{"--listen", ":1 tls=yes"}, []string{"tls=yes", "on or off"}},
		{[]string{"--listen", ":1 tls=on tls=off"}, []string{"tls is there twice"}},
		{[]string{"--listen", ":1 tls=on"}, []string{"needs a certificate", "tls-cert=", "--tls-cert"}},
		{[]string{"--listen", ":1 client-ca=x"}, []string{"needs a certificate"}},
		{[]string{"--listen", ":1 tls-cert=" + cert}, []string{"1 of tls-cert and 0 of tls-key"}},
		{append(pair, "--listen", ":1 tls-key="+key), []string{"0 of tls-cert and 1 of tls-key"}},
		{append(pair, "--listen", ":1 tls=off alpn=a"), []string{"tls=off", "the one or the other"}},
		{append(pair, "--listen", ":1 client-auth=maybe"), []string{"client-auth=maybe", "off, request or require"}},
		{append(pair, "--listen", ":1 client-auth=require"),
			[]string{"client-auth=require", "client-ca=", "--tls-client-ca"}},
		{append(pair, "--listen", ":1 min-version=1.1"), []string{"min-version=1.1", "1.2 or 1.3"}},
		{append(pair, "--listen", ":1 tls-cert=/nowhere/a.pem tls-key=/nowhere/a.key"),
			[]string{"--listen", "cannot read /nowhere/a.pem", "no such file"}},
		{[]string{"--listen", `:1 tls-cert="/my files/a.pem`}, []string{"double quote"}},
		{[]string{"--listen", ":1 proxy=perhaps"}, []string{"proxy=perhaps", "off, optional or required"}},
		{[]string{"--listen", ":1 proxy=required"}, []string{"proxy-trusted=10.0.0.0/8", "--proxy-trusted"}},
		{[]string{"--listen", ":1 proxy-trusted=10.0.0.0/8"}, []string{"proxy-trusted does nothing", "proxy=required"}},
		{[]string{"--listen", ":1 proxy=required proxy-trusted=lan"}, []string{`proxy-trusted: "lan"`, "10.0.0.0/8"}},
		{[]string{"--listen", ":1 max-connections=0"}, []string{"max-connections=0", "from 1"}},
		{[]string{"--listen", ":1 max-connections=many"}, []string{"max-connections=many"}},
		{[]string{"--listen", ":1 handler=relay"}, []string{"handler=relay", "echo, sink or remote:NAME"}},
		{[]string{"--listen", ":1 handler=remote"}, []string{"handler=remote", "echo, sink or remote:NAME"}},
		{[]string{"--listen", ":1 handler=remote:A"}, []string{"handler=remote:A", "1 to 32 of a-z, 0-9 and -"}},
		{[]string{"--listen", ":1 handler=echo handler=sink"}, []string{"handler is there twice"}},
		{[]string{"--listen", ":1 frame=lines"}, []string{`frame "lines"`, "expected raw, line, delimiter:HEX"}},
		{[]string{"--listen", ":1 frame=length:2,offset=-1"}, []string{`"offset=-1"`, "offset=4"}},
		{[]string{"--listen", ":1 frame=line frame=raw"}, []string{"frame is there twice"}},
		{[]string{"--listen", ":1 frame=line max-frame=0"}, []string{"max-frame=0", "1 byte to 16MiB"}},
		{[]string{"--listen", ":1 frame=line max-frame=16777217"}, []string{"max-frame=16777217", "1 byte to 16MiB"}},
		{[]string{"--listen", ":1 frame=line max-frame=-1"}, []string{`max-frame: "-1"`, "64KiB"}},
		{[]string{"--listen", ":1 frame=line max-frame=big"}, []string{`max-frame: "big"`, "64KiB"}},
		{[]string{"--listen", ":1 max-frame=1KiB"}, []string{"max-frame does nothing", "frame=line"}},
		{[]string{"--listen", ":1 frame-timeout=1s frame=raw"}, []string{"frame-timeout does nothing", "frame=line"}},
		{[]string{"--listen", ":1 frame=line frame-timeout=0"}, []string{"frame-timeout=0", "1ms to 1h"}},
		{[]string{"--listen", ":1 frame=line frame-timeout=61m"}, []string{"frame-timeout=61m", "1ms to 1h"}},
		{[]string{"--listen", ":1 frame=line frame-timeout=30"}, []string{"frame-timeout=30", "30s"}},
		{[]string{"--listen", ":1 frame=fixed:65537"}, []string{"frame=fixed:65537 max-frame=64KiB",
			"at least 65537 bytes", "at most 65536", "16MiB"}},
		{[]string{"--listen", "tls=on"}, []string{"host:port"}},
		{[]string{"--listen", "  "}, []string{"host:port"}},
		{[]string{"--tls-cert", cert}, []string{"1 of --tls-cert and 0 of --tls-key"}},
		{[]string{"--tls-cert", key, "--tls-key", cert}, []string{"--listen", key, "swapped"}},
		{[]string{"--tls-client-ca", "x"}, []string{"no listener has TLS", "--tls-cert"}},
		{[]string{"--tls-alpn", "a", "--listen", ":1 tls=off"}, []string{"no listener has TLS"}},
		{append(pair, "--listen", ":1 tls=off"), []string{"no listener has TLS"}},
		{append(pair, "--tls-client-auth", "yes"), []string{`--tls-client-auth "yes"`, "off, request or require"}},
		{append(pair, "--tls-client-auth", "require"), []string{"client-auth=require", "--tls-client-ca"}},
		{append(pair, "--tls-min-version", "1.1"), []string{`--tls-min-version "1.1"`, "1.2 or 1.3"}},
		{append(pair, "--tls-alpn", ""), []string{"ALPN"}},
		{append(pair, "--tls-client-ca", key), []string{key, "no certificate"}},
		{[]string{"--proxy-protocol", "on"}, []string{`--proxy-protocol "on"`, "off, optional or required"}},
		{[]string{"--proxy-protocol", "required"}, []string{"--proxy-trusted"}},
		{[]string{"--proxy-trusted", "10.0.0.0/8"}, []string{"--proxy-trusted does nothing", "--proxy-protocol"}},
		{[]string{"--proxy-trusted", "10.0.0.0/33"}, []string{"--proxy-trusted", `"10.0.0.0/33"`}},
		{[]string{"--max-connections-per-ip", "-1"}, []string{"--max-connections-per-ip -1", "expected 0 or more"}},
		{[]string{"--accept-rate", "NaN"}, []string{"--accept-rate NaN", "expected 0 or more"}},
		{[]string{"--accept-rate", "Inf"}, []string{"--accept-rate +Inf"}},
		{[]string{"--accept-rate", "fast"}, []string{"--accept-rate", `"fast" is not a number`}},
		{[]string{"--accept-burst", "10"}, []string{"--accept-burst does nothing without --accept-rate"}},
		{[]string{"--accept-rate", "5", "--accept-burst-per-ip", "10"},
			[]string{"--accept-burst-per-ip without --accept-rate-per-ip"}},
		{[]string{"--max-handshakes", "0"}, []string{"--max-handshakes 0", "at least 1"}},
		{[]string{"--handshake-timeout", "0"}, []string{"--handshake-timeout 0s", "at least 1ms"}},
		{[]string{"--first-byte-timeout", "-1s"}, []string{"--first-byte-timeout -1s"}},
		{[]string{"--hold-timeout", "-1ns"}, []string{"--hold-timeout -1ns", "0 or more"}},
		{[]string{"--hold-timeout", "2h"}, []string{"hold timeout 2h0m0s", "expected 0s to 1h0m0s"}},
		{[]string{"--max-held", "-1"}, []string{"--max-held -1", "0 or more"}},
		{[]string{"--admit-timeout", "0"}, []string{"--admit-timeout 0s", "at least 1ms"}},
		{[]string{"--admit-timeout", "2h"}, []string{"admit timeout 2h0m0s", "expected 1ms to 1h0m0s"}},
		{[]string{"--handler-window", "1KiB"}, []string{"--handler-window 1024", "at least 4096"}},
		{[]string{"--handler-window", "2MiB"}, []string{"handler window 2097152", "expected 4096 to 1048576"}},
		{[]string{"--handler-budget", "much"}, []string{"--handler-budget", `"much"`, "64KiB", "auto or off"}},
		{[]string{"--deny", "fe80::1%eth0"}, []string{"--deny", "fe80::1%eth0"}},
	} {
		code, stdout, stderr := run(nil, c.args...)
		if code != 2 || stdout != "" || !strings.HasSuffix(stderr, "\nSee gateway --help.\n") ||
			strings.Count(stderr, "\n") != 2 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", c.args, code, stdout, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: %q has no %q", c.args, stderr, want)
			}
		}
	}
}
