package daemon_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// fleetLine is the log line about the gateway's fleet.
type fleetLine struct {
	Message string `json:"@message"`
	Module  string `json:"@module"`
	Name    string
	Mode    string
	Address string
	TLS     string
	Peers   string
	Control string `json:"control-address"`
}

// fleetOf returns that line. There must be one.
func fleetOf(t testing.TB, i *instance) fleetLine {
	t.Helper()
	var found []fleetLine
	for _, text := range i.lines {
		var line fleetLine
		check(t, json.Unmarshal([]byte(text), &line))
		if line.Message == "fleet" {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%q", i.lines)
	}
	return found[0]
}

// free returns an address that was free a moment ago.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// TestAlone checks that a gateway that runs alone starts nothing of NATS: it has its two listeners, and no goroutine of
// NATS.
func TestAlone(t *testing.T) {
	t.Parallel()
	p := spawn(t, "")
	p.info()
	if runtime.GOOS == "linux" {
		if n := listeners(t, p.command.Process.Pid); n != 2 {
			t.Errorf("it listens on %d sockets", n)
		}
	}
	p.signal(syscall.SIGQUIT) // Go writes the stacks of all goroutines, and ends
	if code := p.exit(); code != 2 {
		t.Errorf("exit %d", code)
	}
	goroutines := p.log.count("goroutine ")
	nats := p.log.count("nats-io") + p.log.count("gateway/natsbus") + p.log.count("gateway/fleet")
	if goroutines < 5 || nats > 0 {
		t.Errorf("%d goroutines, %d lines with NATS or a fleet", goroutines, nats)
	}
}

// listeners counts the TCP sockets that a process listens on.
func listeners(t testing.TB, pid int) (n int) {
	t.Helper()
	listening := make(map[string]bool)
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		check(t, err)
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" {
				listening["socket:["+f[9]+"]"] = true
			}
		}
	}
	descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	check(t, err)
	for _, d := range descriptors {
		if link, err := os.Readlink(d); err == nil && listening[link] {
			n++
			delete(listening, link) // another descriptor may be of the same socket
		}
	}
	return n
}

// TestEmbeddedStart checks that a gateway with an embedded server announces it, serves, and ends like one without it.
// The server takes none of the process's signals.
func TestEmbeddedStart(t *testing.T) {
	t.Parallel()
	p := spawn(t, "", "--cluster-listen", "127.0.0.1:0", "--cluster-join", "127.0.0.9:1", "--fleet", "west",
		"--fleet-peer-role", "*=operator", "--fleet-control-address", "edge.example.org:8018")
	line := fleetOf(t, p.instance)
	if _, port, err := net.SplitHostPort(line.Address); err != nil || port == "0" || line.Name != "west" ||
		line.Mode != "embedded" || line.TLS != "off" ||
		line.Control != "edge.example.org:8018" || line.Peers != "127.0.0.9:1" || line.Module != "gateway.fleet" {
		t.Errorf("%+v", line)
	}
	if n := listeners(t, p.command.Process.Pid); runtime.GOOS == "linux" && n != 4 {
		t.Errorf("it listens on %d sockets: expected data, control, other nodes, and that for nobody", n)
	}
	conn := p.dial()
	echo(t, conn, "hello")
	p.signal(syscall.SIGHUP)
	p.log.await(t, 1, "SIGHUP: there are no certificates")
	echo(t, conn, "still here")
	p.signal(syscall.SIGTERM)
	p.log.await(t, 1, "drain started")
	echo(t, conn, "still here") // the drain waits for it
	check(t, conn.Close())
	if code := p.exit(); code != 0 || p.log.count(`"@message":"ended"`) != 1 ||
		p.log.count("connection to NATS lost") > 0 {
		t.Errorf("exit %d: %s", code, p.log.text.String())
	}
}

// TestClusterAddressInUse checks that a cluster address in use is named, and that a start that fails leaves nothing
// behind.
func TestClusterAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer taken.Close()
	data := filepath.Join(t.TempDir(), "data")
	code, stdout, stderr := run(nil, "--node", "n", "--listen", "unix://"+data, "--control", "127.0.0.1:0",
		"--cluster-listen", taken.Addr().String())
	if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "gateway: ") || strings.Count(stderr, "\n") != 1 ||
		!strings.Contains(stderr, taken.Addr().String()) ||
		!strings.Contains(stderr, "--cluster-listen") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if _, err := os.Lstat(data); err == nil {
		t.Error("the listener's socket is left")
	}
}

// TestNATSAbsent checks that a gateway whose NATS server is absent starts, serves and ends as usual. It logs that once,
// without the password.
func TestNATSAbsent(t *testing.T) {
	t.Parallel()
	absent := free(t)
	g := start(t, nil, "--nats-url", "nats://edge:secret@"+absent)
	if line := fleetOf(t, g.instance); line.Name != "sockgate" || line.Mode != "external" || line.TLS != "off" ||
		line.Peers != "nats://...@"+absent {
		t.Errorf("%+v", line)
	}
	conn := g.dial()
	echo(t, conn, "hello")
	check(t, conn.Close())
	g.signals <- syscall.SIGTERM
	if code := g.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if text := strings.Join(g.lines, ""); strings.Contains(text, "secret") || g.log.count("secret") > 0 {
		t.Errorf("%q", g.lines)
	}
}

// TestClusterTLS checks that nodes with certificates under the fleet's CA reach each other, that a node without one
// does not, and that certificates are followed.
func TestClusterTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.peer("node", "first")
	files := []string{"--cluster-tls-cert", cert, "--cluster-tls-key", key, "--cluster-tls-ca",
		filepath.Join(ca.dir, "ca.pem"), "--cluster-listen", "127.0.0.1:0"}
	one := start(t, nil, files...)
	line := fleetOf(t, one.instance)
	if line.TLS != "on" {
		t.Errorf("%+v", line)
	}
	two := start(t, nil, append(slices.Clone(files), "--node", "two", "--log-level", "trace", "--cluster-join",
		line.Address)...)
	two.awaitLine(t, "Registering remote route")

	dial := func(own ...tls.Certificate) (common string, err error) {
		conn, err := tls.Dial("tcp", line.Address, ca.trusted("127.0.0.1", own...))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		greeting := make([]byte, 4)
		_, err = io.ReadFull(conn, greeting) // TLS 1.3 refuses a client's certificate only now
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, err
	}
	if _, err := dial(); err == nil {
		t.Error("a node without a certificate gets in")
	}
	other := newAuthority(t)
	if _, err := dial(other.client("stranger")); err == nil {
		t.Error("a node with another CA's certificate gets in")
	}
	if common, err := dial(ca.client("peer")); common != "first" || err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", common, err)
	}
	ca.peer("node", "second")
	one.hangups <- syscall.SIGHUP
	one.log.await(t, 1, "SIGHUP: certificates, client CAs and tokens are reloaded")
	if common, err := dial(ca.client("peer")); common != "second" || err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", common, err)
	}
	for _, g := range []*inside{one, two} {
		g.signals <- syscall.SIGTERM
		if code := g.exit(); code != 0 {
			t.Errorf("exit %d", code)
		}
	}
}

// peer issues a certificate for both ends of connections between nodes on 127.0.0.1, into two files.
func (ca *issuer) peer(file, common string) (cert, key string) {
	ca.t.Helper()
	return ca.Peer(authority.CommonName(common), authority.IP("127.0.0.1")).Write(ca.t, ca.dir, file)
}

// awaitLine waits until the log, from its beginning, has a line with a text.
func (g *inside) awaitLine(t testing.TB, text string) {
	t.Helper()
	if !strings.Contains(strings.Join(g.lines, ""), text) {
		g.log.await(t, 1, text)
	}
}
