package tlsfiles_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
)

// patience is how long anything may take before a test gives up. Nothing depends on it when all is well.
const patience = 30 * time.Second

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// authority makes a CA.
func authority(t testing.TB, name string) *issued {
	t.Helper()
	return issue(t, nil, x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign})
}

// server makes a server's certificate with some names.
func (i *issued) server(t testing.TB, names ...string) *issued {
	t.Helper()
	return issue(t, i, x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
}

// client makes a client's certificate.
func (i *issued) client(t testing.TB, name string) *issued {
	t.Helper()
	return issue(t, i, x509.Certificate{Subject: pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// issue makes a certificate with a key on P-256, signed by a CA or by itself. It is valid for a month unless the
// template says otherwise.
func issue(t testing.TB, ca *issued, template x509.Certificate) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return issueFor(t, ca, template, key)
}

// issueFor makes a certificate of a key.
func issueFor(t testing.TB, ca *issued, template x509.Certificate, key crypto.Signer) *issued {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(t, err)
	template.SerialNumber = serial
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(30 * 24 * time.Hour)
	}
	if template.NotBefore = time.Now().Add(-time.Hour); !template.NotBefore.Before(template.NotAfter) {
		template.NotBefore = template.NotAfter.Add(-time.Hour)
	}
	parent, signer := &template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	return &issued{cert: cert, key: key}
}

// rsaKey makes an RSA key.
func rsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	return key
}

// certPEM and keyPEM return the contents of the files.
func (i *issued) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
}

func (i *issued) keyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		panic(err) // keys made here can be marshalled
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// tls returns the certificate in the form of crypto/tls.
func (i *issued) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key}
}

// pool returns a pool with only this CA.
func (i *issued) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.cert)
	return pool
}

// put writes a file as careful tools do, whole or not at all, and returns its path.
func put(t testing.TB, data []byte, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	check(t, os.WriteFile(name+".new", data, 0o600))
	check(t, os.Rename(name+".new", name))
	return name
}

// putPair writes both files of a certificate.
func putPair(t testing.TB, dir, name string, i *issued) tlsfiles.Pair {
	t.Helper()
	return tlsfiles.Pair{Cert: put(t, i.certPEM(), dir, name+".pem"), Key: put(t, i.keyPEM(), dir, name+".key")}
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

// echoServer echoes over TLS until the test ends. It returns its address.
func echoServer(t testing.TB, c *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
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
	return l.Addr().String()
}

// dial connects and exchanges a byte, which shows that the server has accepted the client's certificate too.
func dial(t testing.TB, address string, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	raw, err := net.Dial("tcp", address)
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
func seen(t testing.TB, address string, c *tls.Config) string {
	t.Helper()
	conn, err := dial(t, address, c)
	check(t, err)
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// await waits for a condition.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has not come", what)
		}
	}
}
