package tlsfiles_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// TestNames checks which of several certificates a client gets for the name that it asks for.
func TestNames(t *testing.T) {
	dir, ca := t.TempDir(), authority.New("CA")
	s, _ := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{
		putPair(t, dir, "default", ca.Server(host("gateway.example"))),
		putPair(t, dir, "wild", ca.Server(host("*.games.example"))),
		putPair(t, dir, "exact", ca.Server(host("Chess.games.example", "go.games.example"))),
		putPair(t, dir, "late", ca.Server(host("*.games.example", "late"))),
	}})
	server := echoServer(t, s.TLSConfig())
	for name, want := range map[string]string{
		"gateway.example":       "gateway.example",
		"poker.games.example":   "*.games.example",
		"POKER.games.example":   "*.games.example",
		"chess.games.example":   "Chess.games.example", // the exact name goes before an earlier wildcard
		"go.games.example":      "Chess.games.example",
		"games.example":         "gateway.example", // a wildcard stands for one label
		"a.poker.games.example": "gateway.example",
		"late":                  "*.games.example",
		"unknown.example":       "gateway.example",
		"localhost":             "gateway.example",
		"":                      "gateway.example",
	} {
		// Only the name matters here, not whether the certificate is valid.
		if got := seen(t, server, &tls.Config{ServerName: name, InsecureSkipVerify: true}); got != want {
			t.Errorf("%q gets %s; expected %s", name, got, want)
		}
	}
	conn, err := dial(t, server, &tls.Config{ServerName: "poker.games.example", RootCAs: ca.Pool()})
	check(t, err)
	if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Errorf("%s; expected TLS 1.3", tls.VersionName(v))
	}
}

// both opens a store with a certificate of each kind of key, so that no suite is refused because of the key.
func both(t *testing.T, c tlsfiles.Config) *tlsfiles.Store {
	t.Helper()
	dir, ca := t.TempDir(), authority.New("CA")
	c.Pairs = []tlsfiles.Pair{putPair(t, dir, "ecdsa", ca.Server(host("gateway.example"))),
		putPair(t, dir, "rsa", ca.Issue(authority.CommonName("rsa"), authority.DNS("gateway.example"), authority.RSA))}
	s, _ := open(t, c)
	return s
}

// TestVersions checks which versions are spoken.
func TestVersions(t *testing.T) {
	for _, c := range []struct{ least, spoken uint16 }{{0, tls.VersionTLS12}, {tls.VersionTLS12, tls.VersionTLS12},
		{tls.VersionTLS13, tls.VersionTLS13}} {
		server := echoServer(t, both(t, tlsfiles.Config{MinVersion: c.least}).TLSConfig())
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
			_, err := dial(t, server, &tls.Config{ServerName: "gateway.example", InsecureSkipVerify: true, MinVersion: version,
				MaxVersion: version})
			if (err == nil) != (version >= c.spoken) || err != nil && !strings.Contains(err.Error(), "protocol version") {
				t.Errorf("at least %s: %s: %v", tls.VersionName(c.least), tls.VersionName(version), err)
			}
		}
	}
}

// TestSuites checks that TLS 1.2 is spoken with forward secrecy and authenticated encryption only, with either kind of
// key.
func TestSuites(t *testing.T) {
	server := echoServer(t, both(t, tlsfiles.Config{}).TLSConfig())
	spoken := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		good := strings.HasPrefix(suite.Name, "TLS_ECDHE_") &&
			(strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "POLY1305"))
		conn, err := dial(t, server, &tls.Config{ServerName: "gateway.example", InsecureSkipVerify: true,
			MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		switch {
		case (err == nil) != good:
			t.Errorf("%s: %v", suite.Name, err)
		case err == nil:
			spoken++
			state := conn.ConnectionState()
			if byRSA := state.PeerCertificates[0].Subject.CommonName == "rsa"; state.CipherSuite != suite.ID ||
				strings.Contains(suite.Name, "RSA") != byRSA {
				t.Errorf("%s: %s, %s", suite.Name, tls.CipherSuiteName(state.CipherSuite), state.PeerCertificates[0].Subject)
			}
		}
	}
	if spoken != 6 {
		t.Errorf("%d suites are spoken; expected 6", spoken)
	}
}

// TestProtocols checks ALPN: the server's preference counts, a client that offers nothing gets nothing, and a client
// that offers only other names is refused.
func TestProtocols(t *testing.T) {
	server := echoServer(t, both(t, tlsfiles.Config{Protocols: []string{"game/2", "game/1"}}).TLSConfig())
	for _, c := range []struct {
		offered []string
		want    string
		refused bool
	}{
		{[]string{"game/1", "game/2"}, "game/2", false},
		{[]string{"game/1"}, "game/1", false},
		{nil, "", false},
		{[]string{"http/1.1"}, "", true},
	} {
		conn, err := dial(t, server, &tls.Config{ServerName: "gateway.example", InsecureSkipVerify: true,
			NextProtos: c.offered})
		if got := conn.ConnectionState().NegotiatedProtocol; (err != nil) != c.refused || got != c.want {
			t.Errorf("%v: %q, %v", c.offered, got, err)
		}
	}
}

// TestClientAuth checks which clients each kind of client authentication lets in.
func TestClientAuth(t *testing.T) {
	dir, ca, other := t.TempDir(), authority.New("CA"), authority.New("other CA")
	pair, cas := putPair(t, dir, "server", ca.Server(host("gateway.example"))), []string{ca.WriteCert(t, dir, "ca")}
	clients := map[string]*authority.Certificate{
		"none":    nil,
		"good":    ca.Client(authority.CommonName("good")),
		"other":   other.Client(authority.CommonName("other")),
		"expired": ca.Client(authority.Until(past(t))),
		"server":  ca.Server(host("a server's")),
	}
	for _, c := range []struct {
		auth tlsfiles.ClientAuth
		cas  []string
		let  string
	}{
		{tlsfiles.ClientAuthOff, nil, "none good other expired server"},
		{tlsfiles.ClientAuthRequest, cas, "none good"},
		{tlsfiles.ClientAuthRequire, cas, "good"},
	} {
		s, _ := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, ClientAuth: c.auth, ClientCA: c.cas})
		server := echoServer(t, s.TLSConfig())
		for name, client := range clients {
			config := &tls.Config{ServerName: "gateway.example", RootCAs: ca.Pool()}
			if client != nil {
				certificate := client.TLS()
				// The client shows it even if it is of another CA.
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &certificate, nil
				}
			}
			if _, err := dial(t, server, config); (err == nil) != strings.Contains(c.let, name) {
				t.Errorf("%s: %s: %v", c.auth, name, err)
			}
		}
	}
}
