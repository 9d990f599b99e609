package selfsigned

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
)

// TestMake holds that clients trust a server with the files, and that only the owner can read the key.
func TestMake(t *testing.T) {
	p, err := Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	served := make(chan error, 1)
	go func() { served <- tls.Server(b, &tls.Config{Certificates: []tls.Certificate{certificate}}).Handshake() }()
	client := tls.Client(a, p.Client)
	if err := errors.Join(client.Handshake(), <-served); err != nil {
		t.Fatal(err)
	}
	if state := client.ConnectionState(); state.Version != tls.VersionTLS13 || state.DidResume {
		t.Errorf("%s, resumed: %t", tls.VersionName(state.Version), state.DidResume)
	}
	if info, err := os.Stat(p.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v; expected mode 0600", info.Mode(), err)
	}
}
