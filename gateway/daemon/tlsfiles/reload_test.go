package tlsfiles_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// past is an hour ago.
func past(testing.TB) time.Time { return time.Now().Add(-time.Hour) }

// TestReplaced checks that new connections see a replaced certificate without a signal, and that established ones go
// on. The clock is the test's own.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, ca := t.TempDir(), authority.New("CA")
		pair := putPair(t, dir, "server", ca.Server(host("old", "gateway.example")))
		s, log := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}})
		server := echoServer(t, s.TLSConfig())
		client := &tls.Config{ServerName: "gateway.example", RootCAs: ca.Pool()}
		established, err := dial(t, server, client)
		check(t, err)
		putPair(t, dir, "server", ca.Server(host("new", "gateway.example")))
		nextLook()
		expectSeen(t, server, ca, "new")
		check(t, exchange(established))
		if n := len(log.lines("certificate loaded")); n != 2 {
			t.Fatalf("%d times loaded", n)
		}
		if line := log.lines("certificate loaded")[1]; !strings.Contains(line, pair.Cert) ||
			!strings.Contains(line, "CN=new") ||
			!strings.Contains(line, "new gateway.example") || !strings.Contains(line, "expires=") {
			t.Error(line)
		}
		if len(log.lines("[ERROR]"))+len(log.lines("[WARN]")) > 0 {
			t.Error(log)
		}
	})
}

// TestInPlace checks that files that are overwritten in place are noticed too. The clock is the test's own.
func TestInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, ca := t.TempDir(), authority.New("CA")
		pair := putPair(t, dir, "server", ca.Server(host("old", "gateway.example")))
		s, _ := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}})
		server := echoServer(t, s.TLSConfig())
		fresh := ca.Server(host("new", "gateway.example"))
		check(t, os.WriteFile(pair.Cert, fresh.CertPEM(), 0o600))
		check(t, os.WriteFile(pair.Key, fresh.KeyPEM(), 0o600))
		nextLook()
		expectSeen(t, server, ca, "new")
	})
}

// TestKubernetes checks that a changed secret of Kubernetes is noticed: the link to the directory of all files is
// replaced. The clock is the test's own.
func TestKubernetes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, ca := t.TempDir(), authority.New("CA")
		for _, name := range []string{"old", "new"} {
			check(t, os.Mkdir(filepath.Join(dir, name), 0o700))
			putPair(t, filepath.Join(dir, name), "tls", ca.Server(host(name, "gateway.example")))
		}
		check(t, os.Symlink("old", filepath.Join(dir, "..data")))
		pair := tlsfiles.Pair{Cert: filepath.Join(dir, "tls.pem"), Key: filepath.Join(dir, "tls.key")}
		check(t, os.Symlink("..data/tls.pem", pair.Cert))
		check(t, os.Symlink("..data/tls.key", pair.Key))
		s, log := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}})
		server := echoServer(t, s.TLSConfig())
		check(t, os.Symlink("new", filepath.Join(dir, "..data_tmp")))
		check(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		check(t, os.RemoveAll(filepath.Join(dir, "old")))
		nextLook()
		expectSeen(t, server, ca, "new")
		if len(log.lines("[ERROR]")) > 0 {
			t.Error(log)
		}
	})
}

// expectSeen checks the common name of the certificate that a new connection sees.
func expectSeen(t *testing.T, server *bufconn.Listener, ca *authority.CA, want string) {
	t.Helper()
	if got := seen(t, server, &tls.Config{ServerName: "gateway.example", RootCAs: ca.Pool()}); got != want {
		t.Errorf("a new connection sees %q; expected %q", got, want)
	}
}

// TestBroken checks that files that cannot be used leave the loaded ones in force. The log says once which file and
// why, and contains nothing of the key. Valid files are used afterwards.
func TestBroken(t *testing.T) {
	dir, ca := t.TempDir(), authority.New("CA")
	good, fresh := ca.Server(host("old", "gateway.example")), ca.Server(host("new", "gateway.example"))
	expired := ca.Issue(authority.DNS("gateway.example"), authority.Until(past(t)))
	pair, clientCA := putPair(t, dir, "server", good), ca.WriteCert(t, dir, "ca")
	s, log := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, ClientCA: []string{clientCA},
		ClientAuth: tlsfiles.ClientAuthRequest})
	server := echoServer(t, s.TLSConfig())
	client := &tls.Config{ServerName: "gateway.example", RootCAs: ca.Pool()}
	for _, c := range []struct {
		what, path string
		data       []byte
		also       *authority.Certificate // its key is put in place too
		want       string
	}{
		{what: "half a certificate", path: pair.Cert, data: fresh.CertPEM()[:200], want: "cut short"},
		{what: "half a key", path: pair.Key, data: good.KeyPEM()[:100], want: "cut short"},
		{what: "an empty certificate", path: pair.Cert, want: "has no certificate"},
		{what: "an empty key", path: pair.Key, want: "has no private key"},
		{what: "another key", path: pair.Key, data: fresh.KeyPEM(), want: "does not belong to the first certificate in " +
			pair.Cert},
		{what: "another certificate", path: pair.Cert, data: fresh.CertPEM(), want: "does not belong"},
		{what: "an expired certificate", path: pair.Cert, data: expired.CertPEM(), also: expired, want: "expired on "},
		{what: "no client CA", path: clientCA, data: []byte("# none yet\n"), want: "has no certificate"},
	} {
		check(t, os.WriteFile(c.path, c.data, 0o600))
		if c.also != nil {
			put(t, c.also.KeyPEM(), pair.Key)
		}
		_, err := s.Reload()
		if err == nil || !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; expected %q", c.what, err, c.want)
		}
		if changed, again := s.Reload(); changed || again == nil { // reported already
			t.Errorf("%s: changed again: %t, %v", c.what, changed, again)
		}
		if got := seen(t, server, client); got != "old" {
			t.Errorf("%s: %s is in force", c.what, got)
		}
		if lines := log.lines("[ERROR]"); len(lines) == 0 || !strings.Contains(lines[len(lines)-1], c.want) {
			t.Errorf("%s: the log has %q", c.what, lines)
		} else if n := len(log.lines(c.want)); strings.Count(log.String(), lines[len(lines)-1]) != 1 || n == 0 {
			t.Errorf("%s: said more than once", c.what)
		}
		putPair(t, dir, "server", good)
		put(t, ca.CertPEM(), clientCA)
		_, err = s.Reload()
		check(t, err)
	}
	if n := len(log.lines("can be used again")); n < 8 {
		t.Errorf("%d times good again", n)
	}
	putPair(t, dir, "server", fresh)
	_, err := s.Reload()
	check(t, err)
	if got := seen(t, server, client); got != "new" {
		t.Errorf("%s is in force", got)
	}
	for _, i := range []*authority.Certificate{good, fresh, expired} {
		if secret := strings.Split(string(i.KeyPEM()), "\n")[1]; strings.Contains(log.String(), secret) {
			t.Error("the log has a private key")
		}
	}
}

// TestUnchanged checks that files that have only been touched are not loaded again.
func TestUnchanged(t *testing.T) {
	dir, ca := t.TempDir(), authority.New("CA")
	pair := putPair(t, dir, "server", ca.Server(host("gateway.example")))
	s, log := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}})
	check(t, os.Chtimes(pair.Cert, time.Time{}, time.Now().Add(time.Minute)))
	if changed, err := s.Reload(); changed || err != nil || len(log.lines("certificate loaded")) != 1 {
		t.Errorf("%t, %v, %s", changed, err, log)
	}
}

// TestClientCAReplaced checks that a session ticket does not admit a client whose CA is no longer trusted, with either
// version. Tickets work as long as nothing changes.
func TestClientCAReplaced(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			dir, ca, later := t.TempDir(), authority.New("CA"), authority.New("later CA")
			clientCA := ca.WriteCert(t, dir, "ca")
			pair := putPair(t, dir, "server", ca.Server(host("gateway.example")))
			s, log := open(t, tlsfiles.Config{Pairs: []tlsfiles.Pair{pair}, ClientCA: []string{clientCA},
				ClientAuth: tlsfiles.ClientAuthRequire})
			server := echoServer(t, s.TLSConfig())
			client := &tls.Config{ServerName: "gateway.example", RootCAs: ca.Pool(),
				Certificates:       []tls.Certificate{ca.Client(authority.CommonName("client")).TLS()},
				ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: version}
			for i := range 3 {
				conn, err := dial(t, server, client)
				check(t, err)
				if state := conn.ConnectionState(); state.DidResume != (i > 0) || state.Version != version {
					t.Errorf("connection %d: resumed is %t", i, state.DidResume)
				}
			}
			// One more CA is trusted: a full handshake, and the client is admitted.
			put(t, append(later.CertPEM(), ca.CertPEM()...), clientCA)
			_, err := s.Reload()
			check(t, err)
			conn, err := dial(t, server, client)
			check(t, err)
			if conn.ConnectionState().DidResume {
				t.Error("a ticket of before the change was accepted")
			}
			put(t, later.CertPEM(), clientCA)
			_, err = s.Reload()
			check(t, err)
			if _, err := dial(t, server, client); err == nil {
				t.Error("a client of a CA that is no longer trusted was let in")
			}
			if lines := log.lines("client CAs loaded"); len(lines) != 3 || !strings.Contains(lines[1], "certificates=2") {
				t.Errorf("%q", lines)
			}
		})
	}
}

// TestExpiring checks that certificates that expire soon are warned about when they are loaded and every day after.
func TestExpiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, log := t.TempDir(), new(journal)
		ca := authority.New("CA", authority.Until(time.Now().Add((7*24+30)*time.Hour)))
		soon := ca.Issue(authority.DNS("soon"), authority.Until(time.Now().Add(36*time.Hour)))
		config := tlsfiles.Config{Pairs: []tlsfiles.Pair{putPair(t, dir, "soon", soon),
			putPair(t, dir, "fine", ca.Server(host("fine")))},
			ClientCA: []string{ca.WriteCert(t, dir, "ca")}, ClientAuth: tlsfiles.ClientAuthRequest,
			Logger: log.logger()}
		for _, path := range []string{config.Pairs[0].Cert, config.Pairs[0].Key, config.Pairs[1].Cert, config.Pairs[1].Key,
			config.ClientCA[0]} {
			check(t, os.Chtimes(path, time.Time{}, past(t))) // files with a time in the future would be read at every check
		}
		s, err := tlsfiles.Open(config)
		check(t, err)
		defer s.Close()
		for _, c := range []struct {
			after             time.Duration
			soon, expired, ca int
		}{
			{0, 1, 0, 0},
			{23 * time.Hour, 1, 0, 0},
			{2 * time.Hour, 2, 0, 0},
			{24 * time.Hour, 2, 1, 1},
		} {
			time.Sleep(c.after)
			synctest.Wait()
			soon, expired, ca := len(log.lines("certificate expires soon")), len(log.lines("certificate has expired")),
				len(log.lines("client CA expires"))
			if soon != c.soon || expired != c.expired || ca != c.ca {
				t.Errorf("%s later: %d, %d, %d; expected %d, %d, %d", c.after, soon, expired, ca, c.soon, c.expired, c.ca)
			}
		}
		if strings.Contains(log.String(), "[WARN]  certificate has expired: clients refuse it; replace the file: "+
			"file="+filepath.Join(dir, "fine")) {
			t.Error(log)
		}
	})
}
