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

// Config says how a node reaches the others.
type Config struct {
	// Node is the node's name, for the logs of servers. Required.
	Node string
	// Fleet is the fleet's name, which embedded servers of different fleets refuse each other by. Required.
	Fleet string
	// Embedded is set when a server is to run inside this process, and External when servers run elsewhere. One of them is required.
	Embedded *Embedded
	External *External
	// Logger gets connections made and lost, and what is dropped or refused. Default: none.
	Logger hclog.Logger
}

// Embedded says how the server inside this process makes a cluster with those of other nodes. Up to about 20 nodes: each is connected to
// each.
type Embedded struct {
	// Listen is the address for other nodes' servers, host:port; port 0 takes a free one. Required.
	Listen string
	// Join are addresses of other nodes' servers, host:port, of which one that answers is enough: they tell each other of the rest. The
	// node's own may be among them. Default: none, the others have this one's.
	Join []string
	// TLS is for both ends of connections between nodes: ClientAuth must be tls.RequireAndVerifyClientCert and RootCAs must be set. Each
	// node checks that the other's certificate is for the address, or the host name of Join, that it connected to.
	// Default: none.
	// Hazard: without TLS whoever reaches Listen is a node; with it, whoever has a certificate under these CAs.
	TLS *tls.Config
}

// External says which servers there are.
type External struct {
	// URLs are the servers: nats://host:port or tls://host:port, perhaps with a user and password. At least one. Servers that these tell of
	// are not used: name all that may be.
	URLs []string
	// TLS is for connections to them, with a client's certificate or without; when it is set, a server without TLS is refused. Default: what
	// the system trusts, for tls:// URLs.
	TLS *tls.Config
	// CredentialsFile is a file with a user's JWT and its seed, which is read for each connection. Default: none.
	CredentialsFile string
}

// validate checks everything that can be without the network.
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
		return errors.New("natsbus: TLS between nodes has to check both ends: expected ClientAuth RequireAndVerifyClientCert and RootCAs")
	}
	return nil
}

// splitAddress takes host:port apart.
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
		if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" {
			return fmt.Errorf("server %.200q: expected nats://host:port or tls://host:port", Redacted(text))
		}
	}
	if e.CredentialsFile == "" {
		return nil
	}
	return CheckCredentials(e.CredentialsFile)
}

// CheckCredentials returns an error when a file is no credentials file.
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
		return fmt.Errorf("credentials file %s: expected a user's JWT and its seed, as `nsc generate creds` writes them: %s", file, words(err))
	}
	return nil
}

// Redacted returns a server's URL for people to read: without its password or token.
func Redacted(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return "a URL that cannot be read" // it may have a password in it
	}
	if u.User != nil {
		u.User = url.User("...")
	}
	return u.String()
}
