package tlsfiles_test

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// TestRefused checks that files that cannot work are refused with a sentence that names the file and the mistake.
func TestRefused(t *testing.T) {
	dir, ca := t.TempDir(), authority.New("CA")
	good := ca.Server(host("gateway.example"))
	pair, other := putPair(t, dir, "good", good), putPair(t, dir, "other", ca.Server(host("other")))
	clientCA := ca.WriteCert(t, dir, "ca")
	damaged := append([]byte(nil), good.X509.Raw...)
	damaged[10] ^= 0xff
	file := func(name string, data []byte) string { return put(t, data, dir, name) }
	block := func(kind string, data []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
	}
	certs := func(path string) []tlsfiles.Pair { return []tlsfiles.Pair{{Cert: path, Key: pair.Key}} }
	keys := func(path string) []tlsfiles.Pair { return []tlsfiles.Pair{{Cert: pair.Cert, Key: path}} }
	for _, c := range []struct {
		config tlsfiles.Config
		want   []string
	}{
		{tlsfiles.Config{}, []string{"needs a certificate"}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{{Cert: pair.Cert}}}, []string{pair.Cert, "both files"}},
		{tlsfiles.Config{Pairs: certs(filepath.Join(dir, "missing.pem"))},
			[]string{"cannot read", "missing.pem", "no such file"}},
		{tlsfiles.Config{Pairs: certs(dir)}, []string{dir, "not a regular file"}},
		{tlsfiles.Config{Pairs: certs(os.DevNull)}, []string{os.DevNull, "not a regular file"}},
		{tlsfiles.Config{Pairs: certs(file("der.pem", good.X509.Raw))},
			[]string{"der.pem", "has no certificate", "BEGIN CERTIFICATE"}},
		{tlsfiles.Config{Pairs: certs(file("long.pem", make([]byte, 1<<20+1)))}, []string{"long.pem", "longer than 1048576"}},
		{tlsfiles.Config{Pairs: certs(file("damaged.pem", block("CERTIFICATE", damaged)))},
			[]string{"certificate 1 in", "damaged.pem"}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{{Cert: pair.Key, Key: pair.Cert}}}, []string{pair.Key, "swapped"}},
		{tlsfiles.Config{Pairs: keys(pair.Cert)}, []string{pair.Cert, "no private key", "swapped"}},
		{tlsfiles.Config{Pairs: keys(other.Key)}, []string{other.Key, "does not belong", pair.Cert}},
		{tlsfiles.Config{Pairs: keys(file("encrypted.key", block("ENCRYPTED PRIVATE KEY", []byte("x"))))},
			[]string{"encrypted.key", "is encrypted", "openssl"}},
		{tlsfiles.Config{Pairs: keys(file("old.key", []byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: "+
			"4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"+
			"-----END EC PRIVATE KEY-----\n")))}, []string{"old.key", "is encrypted"}},
		{tlsfiles.Config{Pairs: keys(file("junk.key", block("PRIVATE KEY", []byte("x"))))}, []string{"junk.key", pair.Cert}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, ClientAuth: tlsfiles.ClientAuthRequire},
			[]string{"require", "both or neither"}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, ClientCA: []string{clientCA}}, []string{"off", "both or neither"}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, ClientAuth: tlsfiles.ClientAuthRequest, ClientCA: []string{pair.Key}},
			[]string{pair.Key, "no certificate"}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, ClientAuth: tlsfiles.ClientAuthRequest,
			ClientCA: []string{clientCA, filepath.Join(dir, "no.pem")}}, []string{"no.pem"}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, MinVersion: tls.VersionTLS11},
			[]string{"TLS 1.1", "expected TLS 1.2 or TLS 1.3"}},
		{tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, Protocols: []string{""}}, []string{"ALPN", "1 to 255"}},
	} {
		s, err := tlsfiles.Open(c.config)
		if err == nil {
			s.Close()
			t.Errorf("%v was accepted", c.config)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q has no %q", err, want)
			}
		}
	}
}

// TestWarned checks which files are used with a warning: an expired certificate at the start, a key that every user may
// read.
func TestWarned(t *testing.T) {
	dir, ca := t.TempDir(), authority.New("CA")
	expired := putPair(t, dir, "expired", ca.Issue(authority.DNS("gateway.example"), authority.Until(past(t))))
	_, log := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{expired}})
	if lines := log.lines("[WARN]"); len(lines) != 1 || !strings.Contains(lines[0], "has expired") ||
		!strings.Contains(lines[0], expired.Cert) {
		t.Errorf("%q", lines)
	}
	for mode, warned := range map[os.FileMode]int{0o600: 0, 0o640: 0, 0o644: 1, 0o604: 1} {
		pair := putPair(t, dir, "server", ca.Server(host("gateway.example")))
		check(t, os.Chmod(pair.Key, mode))
		_, log := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}})
		lines := log.lines("everybody on this machine may read a private key")
		if len(lines) != warned || warned > 0 && !strings.Contains(lines[0], pair.Key) {
			t.Errorf("mode %s: %q", mode, lines)
		}
	}
}

// TestOneFile checks that one file may hold both certificate and key, and further text and certificates.
func TestOneFile(t *testing.T) {
	dir, ca := t.TempDir(), authority.New("CA")
	good := ca.Server(host("gateway.example"))
	path := put(t, append(append(append([]byte("for the gateway\n"), good.KeyPEM()...), good.CertPEM()...),
		ca.CertPEM()...), dir, "all.pem")
	s, _ := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{{Cert: path, Key: path}}})
	conn, err := dial(t, echoServer(t, s.TLSConfig()), &tls.Config{ServerName: "gateway.example", RootCAs: ca.Pool()})
	check(t, err)
	if n := len(conn.ConnectionState().PeerCertificates); n != 2 {
		t.Errorf("%d certificates; expected the chain of 2", n)
	}
}
