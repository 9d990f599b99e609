package daemon_test

import (
	"os"
	"syscall"
	"testing"
)

// TestHangup checks that SIGHUP never ends the gateway. If there is nothing to reload, the gateway logs that.
func TestHangup(t *testing.T) {
	t.Parallel()
	p := spawn(t, "")
	conn := p.dial()
	for i := range 3 { // two SIGTERMs would end it
		p.signal(syscall.SIGHUP)
		p.log.await(t, i+1, "SIGHUP: there are no certificates, client CAs or tokens to reload")
		echo(t, conn, "still here")
	}
	check(t, conn.Close())
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestHangupReloads checks that SIGHUP loads certificates. A broken one leaves the old one in force and the gateway
// alive.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.server("gateway", "first", "gateway.example")
	g := start(t, nil, "--tls-cert", cert, "--tls-key", key, "--listen", "more=127.0.0.1:0")
	ca.server("gateway", "second", "gateway.example")
	g.hangups <- syscall.SIGHUP
	g.log.await(t, 1, "SIGHUP: certificates, client CAs and tokens are reloaded")
	// Both listeners share one store.
	loaded, wrong := g.log.count("CN=second"), g.log.count("SIGHUP: some files cannot be used")
	if loaded != 1 || wrong != 0 {
		t.Errorf("%d times loaded, %d times refused", loaded, wrong)
	}
	check(t, os.WriteFile(cert, []byte("nothing yet"), 0o600))
	g.hangups <- syscall.SIGHUP
	g.log.await(t, 1, "SIGHUP: some files cannot be used, and what was loaded from them before stays in force")
	if n := g.log.count("has no certificate"); n != 1 {
		t.Errorf("said %d times what is wrong", n)
	}
	g.info()
	g.signals <- syscall.SIGTERM
	if code := g.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
}
