package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"
)

// DataTLS are the TLS flags of commands that connect to a data plane. The same flags without `data` are for the
// control plane.
type DataTLS struct {
	on       bool
	insecure bool
	files    tlsFiles
}

// Register declares the flags.
func (t *DataTLS) Register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&t.on, "data-tls", false, "connect with TLS, and trust the system's certificate authorities")
	f.StringVar(&t.files.ca, "data-ca", "", "connect with TLS, and trust the certificate authorities in this PEM `FILE`")
	f.StringVar(&t.files.cert, "data-cert", "", "connect with TLS with the client certificate in this PEM `FILE`")
	f.StringVar(&t.files.key, "data-key", "", "PEM `FILE` with the key of --data-cert")
	f.StringVar(&t.files.serverName, "data-server-name", "",
		"connect with TLS, ask for this `NAME` (SNI), and expect a certificate for it")
	f.BoolVar(&t.insecure, "data-insecure", false,
		"connect with TLS and do not check the server's certificate; for trying out")
	CompleteFlag(cmd, "data-server-name")
}

// DataConfig returns the TLS of connections to address; nil for none. Sessions are not resumed: every handshake is a
// full one.
func (a *App) DataConfig(t *DataTLS, address string) (*tls.Config, error) {
	if !t.on && !t.insecure && t.files == (tlsFiles{}) {
		return nil, nil
	}
	if (t.files.cert == "") != (t.files.key == "") {
		return nil, Usagef("a client certificate needs --data-cert and --data-key; only one of the two is given")
	}
	config, err := t.files.config()
	if err != nil {
		return nil, err
	}
	config.SessionTicketsDisabled = true
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil && !t.insecure {
			return nil, Usagef("TLS on a unix socket needs --data-server-name NAME, the name that the certificate is for")
		}
	}
	if t.insecure {
		config.InsecureSkipVerify = true
		a.Say("--data-insecure: the server's certificate is not checked; anybody could be the server")
	}
	return config, nil
}

// tlsError marks an error of a TLS handshake.
type tlsError struct{ err error }

// Error returns the text.
func (e *tlsError) Error() string { return fmt.Sprintf("TLS handshake: %v", e.err) }

// Unwrap returns the cause.
func (e *tlsError) Unwrap() error { return e.err }

// IsTLSError reports whether an error is of TLS itself and not of the network below it.
func IsTLSError(err error) bool {
	var handshake *tlsError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	return errors.As(err, &handshake) || errors.As(err, &alert) || errors.As(err, &record)
}

// Handshake makes a connection TLS if config is not nil. It closes a connection whose handshake fails.
func Handshake(ctx context.Context, socket net.Conn, config *tls.Config) (net.Conn, error) {
	if config == nil {
		return socket, nil
	}
	secure := tls.Client(socket, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = socket.Close()
		return nil, &tlsError{err}
	}
	return secure, nil
}

// TLSVersion is the version of a connection's TLS, for example `TLS 1.3`; empty without TLS.
func TLSVersion(socket net.Conn) string {
	if secure, ok := socket.(*tls.Conn); ok {
		return tls.VersionName(secure.ConnectionState().Version)
	}
	return ""
}
