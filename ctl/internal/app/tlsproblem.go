package app

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// probeTimeout bounds a look at the protocol of a port.
const probeTimeout = 2 * time.Second

// tlsProblem is a cause of a failed connection to the control plane: TLS, or the lack of it.
type tlsProblem struct {
	text string // with the remedy
	code int    // the exit code
}

// tlsSigns are the errors of TLS that name their cause, in Go's words, with the remedy. gRPC keeps only the text of an
// error.
func tlsSigns() []struct {
	sign string
	code int
	text string
} {
	return []struct {
		sign string
		code int
		text string
	}{
		{"certificate signed by unknown authority", ExitUnreachable,
			"its certificate is from an authority that is not trusted here; give the right one with --tls-ca FILE"},
		{"certificate is not trusted", ExitUnreachable,
			"its certificate is from an authority that is not trusted here; give the right one with --tls-ca FILE"},
		{"certificate has expired or is not yet valid", ExitUnreachable,
			"its certificate is not valid now; renew it on the gateway, or set the clock right"},
		{"certificate is valid for ", ExitUnreachable,
			"its certificate is for another name%s; expect one of those with --server-name NAME"},
		{"certificate is not valid for any names", ExitUnreachable,
			"its certificate has no name that could be checked; renew it with one"},
		{"doesn't contain any IP SANs", ExitUnreachable,
			"its certificate is for names and not for an address; expect one of them with --server-name NAME"},
		{"tls: certificate required", ExitDenied,
			"it requires a client certificate; give one with --tls-cert FILE and --tls-key FILE"},
		{"tls: unknown certificate authority", ExitDenied,
			"it does not trust the authority of the client certificate; give one that it trusts with --tls-cert FILE and " +
				"--tls-key FILE"},
		{"tls: expired certificate", ExitDenied, "the client certificate has expired; renew it (--tls-cert, --tls-key)"},
		{"tls: revoked certificate", ExitDenied, "the client certificate is revoked; use another (--tls-cert, --tls-key)"},
		{"tls: bad certificate", ExitDenied,
			"it refuses the client certificate; give another with --tls-cert FILE and --tls-key FILE"},
		{"tls: unsupported certificate", ExitDenied,
			"it refuses the client certificate, which may not be meant for clients; give another with --tls-cert FILE and " +
				"--tls-key FILE"},
		{"tls: protocol version not supported", ExitUnreachable, "it speaks no version of TLS that ctl does, 1.2 or 1.3"},
		{"missing selected ALPN property", ExitUnreachable,
			"it speaks TLS and is not a control plane; name that with --gateway ADDR"},
		{"tls: no application protocol", ExitUnreachable,
			"it speaks TLS and is not a control plane; name that with --gateway ADDR"},
	}
}

// tlsProblem returns the TLS problem that kept the gateway from answering; nil if there is none. If the error does not
// show it, it probes the port.
func (e *CallError) tlsProblem() *tlsProblem {
	if status.Code(e.err) != codes.Unavailable || reasonOf(e.err) != "" {
		return nil
	}
	if !e.probed {
		e.probed, e.problem = true, e.findTLSProblem(status.Convert(e.err).Message())
	}
	return e.problem
}

// findTLSProblem reads an error's text and, where that says only that the connection broke, probes the port.
func (e *CallError) findTLSProblem(text string) *tlsProblem {
	if p := signOf(text); p != nil {
		return p
	}
	broken := slices.ContainsFunc([]string{"server preface", "frame too large", "handshake failed", "EOF", "broken pipe",
		"connection reset"},
		func(sign string) bool { return strings.Contains(text, sign) })
	switch {
	case !broken:
		return nil
	case e.secure == nil && speaksTLS(e.addr):
		return &tlsProblem{"it speaks TLS; use --tls-ca FILE, or --tls where the system trusts its certificate",
			ExitUnreachable}
	case e.secure == nil:
		return nil
	case speaksPlain(e.addr):
		return &tlsProblem{"it does not speak TLS; leave out --tls and the like (--tls=false where a context or the " +
			"environment has them)", ExitUnreachable}
	}
	// The alert that says why can be lost when gRPC writes to a connection that is closed already.
	if err := handshakeOnly(e.addr, e.secure); err != nil {
		return signOf(err.Error())
	}
	return nil
}

// signOf finds the sign in an error's text; nil if it has none.
func signOf(text string) *tlsProblem {
	for _, s := range tlsSigns() {
		if strings.Contains(text, s.sign) {
			return &tlsProblem{strings.Replace(s.text, "%s", validNames(text), 1), s.code}
		}
	}
	return nil
}

// validNames is " (NAMES, not NAME)" of an error that has them.
func validNames(text string) string {
	found := regexp.MustCompile(`certificate is valid for (.*), not ([^"\s]+)`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return " (" + found[1] + ", not " + found[2] + ")"
}

// speaksTLS reports whether a server answers the beginning of a TLS handshake with TLS, even with an alert.
func speaksTLS(addr string) bool {
	conn := probe(addr)
	if conn == nil {
		return false
	}
	defer conn.Close()
	// Nothing is sent over this connection that would have to be trusted.
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, ServerName: "localhost"})
	err := client.Handshake()
	return err == nil || strings.Contains(err.Error(), "remote error: tls:")
}

// speaksPlain reports whether a server answers the beginning of HTTP/2 with its settings, as a gRPC server without
// TLS does.
func speaksPlain(addr string) bool {
	conn := probe(addr)
	if conn == nil {
		return false
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		return false
	}
	var frame [9]byte // length, type, flags, stream
	_, err := io.ReadFull(conn, frame[:])
	return err == nil && frame[3] == 4
}

// handshakeOnly makes the connection TLS and waits for the server's answer to that.
func handshakeOnly(addr string, config *tls.Config) error {
	conn := probe(addr)
	if conn == nil {
		return nil
	}
	defer conn.Close()
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	_, err := tls.Client(conn, config).Read(make([]byte, 1))
	return err
}

// probe connects to a control plane's address; nil without success.
func probe(addr string) net.Conn {
	network, address, err := DialTarget(addr)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(probeTimeout))
	return conn
}
