package tlsfiles_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// patience is how long anything may take before a test gives up. No passing test waits that long.
const patience = 30 * time.Second

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// host is the option of a server with these DNS names, the first also its common name.
func host(names ...string) authority.Option {
	return func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = names[0], names }
}

// put writes a file whole or not at all, as careful tools do, and returns its path.
func put(t testing.TB, data []byte, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	check(t, os.WriteFile(name+".new", data, 0o600))
	check(t, os.Rename(name+".new", name))
	return name
}

// putPair writes both files of a certificate.
func putPair(t testing.TB, dir, name string, c *authority.Certificate) tlsfiles.Pair {
	t.Helper()
	cert, key := c.Write(t, dir, name)
	return tlsfiles.Pair{Cert: cert, Key: key}
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// lines returns the lines that contain a text.
func (j *journal) lines(text string) (found []string) {
	for line := range strings.Lines(j.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// logger returns a logger that writes to the journal.
func (j *journal) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: j, Level: hclog.Debug})
}

// open opens a store that is closed with the test.
func open(t testing.TB, c tlsfiles.Config) (*tlsfiles.Store, *journal) {
	t.Helper()
	log := new(journal)
	c.Logger = log.logger()
	s, err := tlsfiles.Open(c)
	check(t, err)
	t.Cleanup(s.Close)
	return s, log
}

// echoServer echoes over TLS until the test ends. Its listener is in memory, for tests with a clock of their own.
func echoServer(t testing.TB, c *tls.Config) *bufconn.Listener {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				conn := tls.Server(raw, c)
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l
}

// dial connects and exchanges a byte, which shows that the server has accepted the client's certificate too.
func dial(t testing.TB, to *bufconn.Listener, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	raw, err := to.Dial()
	check(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	check(t, raw.SetDeadline(time.Now().Add(patience)))
	conn := tls.Client(raw, c)
	return conn, exchange(conn)
}

// exchange sends a byte and reads it back.
func exchange(conn *tls.Conn) error {
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

// seen returns the common name of the certificate that a new connection sees.
func seen(t testing.TB, to *bufconn.Listener, c *tls.Config) string {
	t.Helper()
	conn, err := dial(t, to, c)
	check(t, err)
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// nextLook waits, in a bubble of synctest, until a store has checked its files once more.
func nextLook() {
	time.Sleep(time.Second)
	synctest.Wait()
}
