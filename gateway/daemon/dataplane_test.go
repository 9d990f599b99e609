package daemon_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func (i *instance) dialTLS(listener int, c *tls.Config) (*tls.Conn, error) {
	i.t.Helper()
	raw, err := net.Dial("tcp", i.addresses[listener])
	check(i.t, err)
	i.t.Cleanup(func() { _ = raw.Close() })
	check(i.t, raw.SetDeadline(time.Now().Add(patience)))
	conn := tls.Client(raw, c)
	return conn, conn.Handshake()
}

// TestListenersTLS checks that listeners follow --listen: TLS with the certificate for all, plain, or TLS that needs a
// client's certificate. The log and ctl tell them apart.
func TestListenersTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.server("gateway", "gateway", "gateway.example")
	g := start(t, nil, "--tls-cert", cert, "--tls-key", key, "--listen", "plain=127.0.0.1:0 tls=off",
		"--listen", "closed=127.0.0.1:0 client-ca="+ca.dir+"/ca.pem")
	conn, err := g.dialTLS(0, ca.trusted("gateway.example"))
	check(t, err)
	echo(t, conn, "over TLS")
	plain, err := net.Dial("tcp", g.addresses[1])
	check(t, err)
	defer plain.Close()
	check(t, plain.SetDeadline(time.Now().Add(patience)))
	echo(t, plain, "plain")
	known, err := g.dialTLS(2, ca.trusted("gateway.example", ca.client("player")))
	check(t, err)
	echo(t, known, "known")
	if stranger, err := g.dialTLS(2, ca.trusted("gateway.example")); err == nil {
		if _, err := stranger.Read(make([]byte, 1)); err == nil {
			t.Error("a client without a certificate is served")
		}
	}
	var got []string
	for _, l := range g.info().GetListeners() {
		got = append(got, fmt.Sprintf("%s: %t %q %s", l.GetName(), l.GetTls(), l.GetClientAuth(), l.GetProxyProtocol()))
	}
	want := `127.0.0.1:0: true "off" off, plain: false "" off, closed: true "require" off`
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("%s; expected %s", got, want)
	}
	log := strings.Join(g.lines, "")
	for _, want := range []string{`"tls":"on"`, `"client-auth":"off"`, `"client-auth":"require"`, `"tls":"off"`} {
		if !strings.Contains(log, want) {
			t.Errorf("%s has no %s", log, want)
		}
	}
}

// TestReplacedUnderTraffic checks that certificates are replaced, without a signal and by SIGHUP, while connections
// echo. No connection is lost, and new ones see the new certificate.
func TestReplacedUnderTraffic(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.server("gateway", "0", "gateway.example")
	g := start(t, nil, "--tls-cert", cert, "--tls-key", key)
	stop := make(chan struct{})
	var talking sync.WaitGroup
	for range 16 {
		conn, err := g.dialTLS(0, ca.trusted("gateway.example"))
		check(t, err)
		talking.Go(func() {
			buffer := make([]byte, 4096)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := conn.Write(buffer); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(conn, buffer); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := 1; n <= 3; n++ {
		name := fmt.Sprint(n)
		ca.server("gateway", name, "gateway.example")
		if n > 1 {
			g.hangups <- syscall.SIGHUP
		}
		g.log.await(t, 1, "CN="+name)
		conn, err := g.dialTLS(0, ca.trusted("gateway.example"))
		check(t, err)
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != name {
			t.Errorf("%s is seen; expected %s", got, name)
		}
		check(t, conn.Close())
	}
	close(stop)
	talking.Wait()
}

// TestProxyWords checks that a listener that takes PROXY headers shows the client that a header names.
func TestProxyWords(t *testing.T) {
	t.Parallel()
	g := start(t, nil, "--listen", "behind=127.0.0.1:0 proxy=required proxy-trusted=127.0.0.0/8")
	conn, err := net.Dial("tcp", g.addresses[1])
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = conn.Write([]byte("PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\nhello"))
	check(t, err)
	expectRead(t, conn, "hello")
	page, err := g.client.ListConnections(patiently(t), &pb.ListConnectionsRequest{Filter: `remote_ip == "203.0.113.7"`})
	check(t, err)
	if len(page.GetConnections()) != 1 || page.GetConnections()[0].GetListener() != "behind" {
		t.Error(page)
	}
}

// TestBansSurvive checks that bans are kept in the state directory.
func TestBansSurvive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := start(t, nil, "--state-dir", dir)
	_, err := g.client.AddBan(patiently(t), &pb.AddBanRequest{Target: "203.0.113.0/24", Reason: "test"})
	check(t, err)
	g.signals <- syscall.SIGTERM
	if code := g.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
	again := start(t, nil, "--state-dir", dir)
	bans, err := again.client.ListBans(patiently(t), &pb.ListBansRequest{})
	check(t, err)
	if len(bans.GetBans()) != 1 || bans.GetBans()[0].GetReason() != "test" {
		t.Error(bans)
	}
}
