package natsbus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
)

// problem says in words why there is no connection. The words for a cause are the same each time, so they contain no
// port of this end.
func problem(err error) string {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var op *net.OpError
	var slow net.Error
	switch {
	case err == nil:
		return "the connection was closed"
	case isAuth(err):
		return "the server refuses the user: check the user and password in the URL, or the credentials file, " +
			"and the server's accounts: " + words(err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server does not speak TLS: switch it on there, or use a nats:// URL on loopback"
	case errors.As(err, &verification), errors.As(err, &unknown):
		return "TLS: the server's certificate is refused: " + words(err)
	case errors.Is(err, nats.ErrTLS):
		return "TLS: " + words(err)
	// The library returns the former at the first attempt.
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, syscall.ECONNREFUSED):
		return "no server answers: connection refused"
	case errors.Is(err, nats.ErrStaleConnection):
		return fmt.Sprintf("the server has not answered for %s", pingEvery*(maxPings+1))
	case errors.Is(err, nats.ErrNoInfoReceived):
		return "the program that answers there is no NATS server"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return "the server closed the connection"
	case errors.As(err, &op) && op.Op == "write" && op.Timeout():
		return fmt.Sprintf("the server has taken nothing for %s", stallTimeout)
	case errors.As(err, &slow) && slow.Timeout(), errors.Is(err, nats.ErrTimeout):
		return "the server does not answer in time"
	case errors.As(err, &op):
		return strings.TrimSpace(fmt.Sprintf("%s %s: %v", op.Op, address(op.Addr), op.Err))
	}
	return words(err)
}

// isAuth reports whether a server refused the user.
func isAuth(err error) bool {
	for _, refusal := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// words returns an error's text without the library's name.
func words(err error) string { return strings.ReplaceAll(err.Error(), "nats: ", "") }

func address(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
