package natsbus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
)

// Config configures a node's way to the others. Open does not change it.
type Config struct {
	// Node is the node's name, which the logs of servers show. It has no dots, spaces, * or >. Required.
	Node string
	// Fleet is the fleet's name, in the same form. Embedded servers of different fleets refuse each other. Required.
	Fleet string
	// Embedded runs a server inside this process. Either Embedded or External is required.
	Embedded *Embedded
	// External names servers that run elsewhere.
	External *External
	// Logger gets connections made and lost, and messages dropped or refused. Default: none.
	Logger hclog.Logger
}

// Embedded configures a server inside this process, which makes a cluster with the servers of other nodes. It is for up
// to about 20 nodes, because each is connected to each.
type Embedded struct {
	// Listen is the address for other nodes' servers, host:port; port 0 takes a free one. Required.
	Listen string
	// Join are addresses of other nodes' servers, host:port. One that answers is enough, because servers tell each other
	// of the rest. The node's own address may be among them. Default: none; the others then name this one.
	Join []string
	// TLS is for both ends of connections between nodes. ClientAuth must be tls.RequireAndVerifyClientCert, and RootCAs
	// must be set. Each node checks that the other's certificate is for the address, or the host name in Join, that it
	// connected to. Default: none. Hazard: without TLS, every program that reaches Listen is a node; with TLS, every
	// program that has a certificate under these CAs is one.
	TLS *tls.Config
}

// External names NATS servers that run elsewhere.
type External struct {
	// URLs are the servers: nats://host:port or tls://host:port, optionally with a user and password. At least one is
	// required. Name every server: the bus uses no server that these tell of, so that the password goes nowhere else.
	URLs []string
	// TLS is for connections to the servers, with a client's certificate or without. If it is set, a server without TLS is
	// refused. Default: the system's CAs, for tls:// URLs.
	TLS *tls.Config
	// CredentialsFile is a file with a user's JWT and its seed. It is read again for each connection. Default: none.
	CredentialsFile string
}

// validate checks everything that needs no network.
func (c *Config) validate() error {
	for name, value := range map[string]string{"Node": c.Node, "Fleet": c.Fleet} {
		if value == "" || strings.ContainsAny(value, ".*> \t\r\n") {
			return fmt.Errorf("natsbus: %s %.50q: expected a name without dots, spaces, * and >", name, value)
		}
	}
	switch {
	case (c.Embedded == nil) == (c.External == nil):
		return errors.New("natsbus: expected either an embedded server or external ones")
	case c.Embedded != nil:
		return c.Embedded.validate()
	}
	return c.External.validate()
}

func (e *Embedded) validate() error {
	if _, _, err := splitAddress(e.Listen); err != nil {
		return err
	}
	for _, address := range e.Join {
		host, port, err := splitAddress(address)
		if err == nil && (host == "" || port == 0) {
			err = fmt.Errorf("address %.200q: expected the host and port of another node", address)
		}
		if err != nil {
			return err
		}
	}
	if e.TLS != nil && (e.TLS.ClientAuth != tls.RequireAndVerifyClientCert || e.TLS.RootCAs == nil) {
		return errors.New("natsbus: TLS between nodes has to check both ends: " +
			"expected ClientAuth RequireAndVerifyClientCert and RootCAs")
	}
	return nil
}

// splitAddress splits host:port. The host may be empty.
func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("address %.200q: expected host:port", address)
	}
	return host, port, nil
}

func (e *External) validate() error {
	if len(e.URLs) == 0 {
		return errors.New("natsbus: no server is given; expected at least one URL, for example nats://127.0.0.1:4222")
	}
	for _, text := range e.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" ||
			u.Path != "" || u.RawQuery != "" {
			return fmt.Errorf("server %.200q: expected nats://host:port or tls://host:port", Redacted(text))
		}
	}
	if e.CredentialsFile == "" {
		return nil
	}
	return CheckCredentials(e.CredentialsFile)
}

// CheckCredentials reads a credentials file. If the file has no user's JWT and seed, it returns an error that names the
// file.
func CheckCredentials(file string) error {
	var o nats.Options
	err := nats.UserCredentials(file)(&o)
	if err == nil {
		_, err = o.UserJWT()
	}
	if err == nil {
		_, err = o.SignatureCB([]byte("a nonce"))
	}
	if err != nil {
		return fmt.Errorf("credentials file %s: expected a user's JWT and its seed, as `nsc generate creds` writes them: %s",
			file, words(err))
	}
	return nil
}

// Redacted returns a server's URL for logs and messages, with `...` in place of the user, password or token.
func Redacted(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return "a URL that cannot be read" // it may contain a password
	}
	if u.User != nil {
		u.User = url.User("...")
	}
	return u.String()
}
