package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/sockgate/sockgate/gateway/internal/certid"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// session is a client's connection and the identity that the connection proves, without the tokens of its calls. It is
// the AuthInfo of the calls.
type session struct {
	credentials.CommonAuthInfo
	conn    *boundedConn
	address string // of the client; empty on a unix socket
	grant   *Grant // the grant of the connection's own proof; nil: it proves nothing
	denial  error  // why it proves nothing
}

// AuthType returns a constant name. No code depends on it.
func (s *session) AuthType() string { return "sockgate" }

// greeter greets a client's connection: it makes the TLS handshake, if there is TLS, and finds out what the connection
// proves. It never changes.
type greeter struct {
	auth *Config
	tls  credentials.TransportCredentials // nil: plain
}

// NewGreeter returns the credentials of a gRPC server behind a Listener. They use TLS with a clone of c, without
// session tickets; if c is nil, connections are plain. A connection on a unix socket is never TLS. They find out what
// each connection proves. NewGreeter keeps auth.
func NewGreeter(auth *Config, c *tls.Config) credentials.TransportCredentials {
	g := &greeter{auth: auth}
	if c != nil {
		g.tls = credentials.NewTLS(withoutTickets(c))
	}
	return g
}

// withoutTickets returns the configuration without session resumption, because a resumed session would rest on a
// certificate that was verified before the authorities changed.
func withoutTickets(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.SessionTicketsDisabled = true
	if choose := c.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if err != nil || chosen == nil {
				return nil, err
			}
			chosen = chosen.Clone()
			chosen.SessionTicketsDisabled = true
			return chosen, nil
		}
	}
	return c
}

// ServerHandshake greets a connection of a Listener. gRPC bounds its time by the connection's deadline.
func (g *greeter) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	bounded, ok := raw.(*boundedConn)
	if !ok {
		return nil, nil, fmt.Errorf("a %T is no connection of an auth.Listener", raw)
	}
	s := &session{conn: bounded, CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}
	conn := raw
	unix, isUnix := bounded.Conn.(*net.UnixConn)
	switch {
	case isUnix:
		s.CommonAuthInfo.SecurityLevel = credentials.PrivacyAndIntegrity
		s.grant, s.denial = g.user(unix)
	case g.tls != nil:
		encrypted, info, err := g.tls.ServerHandshake(sealedConn{bounded})
		if err != nil {
			return nil, nil, err
		}
		conn, s.CommonAuthInfo.SecurityLevel = pacedConn{encrypted, bounded}, credentials.PrivacyAndIntegrity
		s.address = raw.RemoteAddr().String()
		s.grant, s.denial = g.certificate(info, s.address)
	default:
		s.address = raw.RemoteAddr().String()
		s.grant, s.denial = g.neighbour(raw, s.address)
	}
	if s.grant != nil && s.grant.Role != roleless {
		bounded.trust(&s.grant.Caller)
	}
	return conn, s, nil
}

// pacedConn is an encrypted connection. A record of TLS may hold four hundred calls, so each Read is a turn.
type pacedConn struct {
	net.Conn
	raw *boundedConn
}

// Read ends the turn of the bytes that were read before. It returns in a turn of the new ones.
func (c pacedConn) Read(p []byte) (int, error) {
	c.raw.work.End()
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.raw.work.Begin()
	}
	return n, err
}

// Write writes gRPC's bytes.
func (c pacedConn) Write(p []byte) (int, error) { return c.raw.debts.during(p, c.Conn.Write) }

// sealedConn is a connection below TLS.
type sealedConn struct{ *boundedConn }

// Write writes records.
func (c sealedConn) Write(p []byte) (int, error) { return c.send(p) }

// hostOf returns a network address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// user returns the grant of a connection on a unix socket: its user of the machine.
func (g *greeter) user(c *net.UnixConn) (*Grant, error) {
	uid, err := peerUID(c)
	if err != nil {
		return nil, &Denial{Reason: contract.ReasonCredentialsRequired,
			text: fmt.Sprintf("the system does not tell which user calls (%v); give a token", err)}
	}
	right := g.auth.userRight(uid)
	return NewGrant(Caller{Identity: uidScheme + strconv.Itoa(uid), Proof: proofUnix, Role: right.Role,
		Handler: right.Handler}), nil
}

// certificate returns the grant of a TLS connection: the name in its client's verified certificate.
func (g *greeter) certificate(info credentials.AuthInfo, address string) (*Grant, error) {
	state := info.(credentials.TLSInfo).State
	if len(state.PeerCertificates) == 0 {
		return nil, errNoCredentials
	}
	if len(state.VerifiedChains) == 0 {
		return nil, &Denial{Reason: contract.ReasonCertificateInvalid,
			text: "the gateway has no authority for client certificates, so yours proves nothing; give a token, or have " +
				"one configured"}
	}
	identity := certid.Identity(state.PeerCertificates[0])
	if identity == "" {
		return nil, &Denial{Reason: contract.ReasonCertificateInvalid,
			text: "your certificate names nobody; expected one SPIFFE ID (a URI), or else a DNS or common name that does " +
				"not look like one, " +
				"of at most 1,024 bytes"}
	}
	right := g.auth.certificateRight(identity)
	granted := NewGrant(Caller{Identity: identity, Proof: proofCertificate, Role: right.Role, Handler: right.Handler,
		Address: address})
	granted.until = earliest(state.VerifiedChains[0])
	granted.over = &Denial{Reason: contract.ReasonCertificateExpired, text: fmt.Sprintf(
		"the certificate of %.200q expired at %s; connect with a new one", identity, granted.until.Format(time.RFC3339))}
	return granted, nil
}

// earliest returns when the first certificate of a chain expires.
func earliest(chain []*x509.Certificate) time.Time {
	until := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return until
}

// neighbour returns the grant of a plain TCP connection. It proves nothing, which is enough on loopback unless an
// identity is required. Both ends must be loopback addresses.
func (g *greeter) neighbour(c net.Conn, address string) (*Grant, error) {
	if g.auth.Required || !ipnet.IsLoopback(c.RemoteAddr()) || !ipnet.IsLoopback(c.LocalAddr()) {
		return nil, errNoCredentials
	}
	return NewGrant(Caller{Identity: address, Proof: proofNone, Role: pb.Role_ROLE_ADMIN, Address: address}), nil
}

var errNotClient = errors.New("a server's credentials were used by a client")

// ClientHandshake returns an error, because only a client calls it.
func (g *greeter) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errNotClient
}

// Info returns the name of the protocol.
func (g *greeter) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "sockgate"}
}

// Clone returns the greeter itself, which never changes.
func (g *greeter) Clone() credentials.TransportCredentials { return g }

// OverrideServerName returns an error, because only a client calls it.
func (g *greeter) OverrideServerName(string) error { return errNotClient }
