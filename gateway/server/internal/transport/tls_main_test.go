package transport_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/authority"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// patience is longer than any test, so that no handshake gives way unless a test sets another.
const patience = time.Hour

// tlsVersions lists the versions that the conformance suite runs with.
var tlsVersions = []string{"TLS 1.3", "TLS 1.2"}

// theCA returns the authority of all tests, made once.
var theCA = sync.OnceValue(func() *authority.CA { return authority.New("test") })

// theLeaf returns the certificate of all tests, made once. It serves as the server's and the client's.
var theLeaf = sync.OnceValue(func() tls.Certificate {
	return theCA().Peer(authority.CommonName("test"), authority.DNS("gateway.example")).TLS()
})

// serverConfig returns a gateway's configuration.
func serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{theLeaf()}}
}

// clientConfig returns the configuration of a client that speaks one of tlsVersions only.
func clientConfig(version string) *tls.Config {
	v := uint16(tls.VersionTLS13)
	if version == "TLS 1.2" {
		v = tls.VersionTLS12
	}
	return &tls.Config{RootCAs: theCA().Pool(), ServerName: "gateway.example", MinVersion: v, MaxVersion: v}
}

// dialTLS connects and does the client's handshake.
func dialTLS(dial func() (net.Conn, error), config *tls.Config) (net.Conn, error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	// It fails on a pipe that is closed, and then the handshake fails too.
	_ = c.SetDeadline(time.Now().Add(safety))
	secured := tls.Client(c, config)
	if err := secured.Handshake(); err != nil {
		c.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return secured, nil
}

// raw returns the connection under TLS; a connection without TLS is returned itself.
func raw(c net.Conn) net.Conn {
	if secured, ok := c.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return c
}

// securedEngine is an engine that hands sockets to its admissions when their TLS handshakes are complete.
type securedEngine struct {
	transport.Engine
	layer  *transport.TLS
	broken chan error // has capacity for all
}

// secure puts TLS on an engine.
func secure(e transport.Engine) *securedEngine {
	return &securedEngine{Engine: e, layer: transport.NewTLS(clock, patience), broken: make(chan error, 1<<16)}
}

// Accept implements transport.Engine.
func (e *securedEngine) Accept(ln net.Listener, admission transport.Admission) (transport.Acceptor, error) {
	return e.Engine.Accept(ln, &securedAdmission{Admission: admission, engine: e, config: serverConfig()})
}

// Wait waits for the sockets and then for the handshakes.
func (e *securedEngine) Wait() {
	e.Engine.Wait()
	e.layer.Wait()
}

// securedAdmission wraps an admission, which gets each connection when its handshake is complete.
type securedAdmission struct {
	transport.Admission
	engine *securedEngine
	config *tls.Config
}

func (a *securedAdmission) Admit(s transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	return a.engine.layer.Server(s, netip.Addr{}, a.config, &handshake{admission: a, remote: remote, local: local})
}

// handshake is the handshake of a securedAdmission's connection.
type handshake struct {
	admission     *securedAdmission
	remote, local netip.AddrPort
}

func (h *handshake) Established(s transport.Socket, _ tls.ConnectionState) transport.Endpoint {
	return h.admission.Admission.Admit(s, h.remote, h.local)
}

func (h *handshake) Broken(err error) { h.admission.engine.broken <- err }
func (h *handshake) GaveWay(int, int) {}
