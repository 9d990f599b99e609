package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/ctl/internal/loopback"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

// maxPEM bounds a file of certificates, and maxToken a file with a token.
const (
	maxPEM   = 4 << 20
	maxToken = 4 << 10
)

// tlsConfig is the TLS of the control plane; nil for none.
func (x *Access) tlsConfig() (*tls.Config, error) {
	if !x.TLS {
		return nil, nil
	}
	return tlsFiles{ca: x.CA, cert: x.Cert, key: x.Key, serverName: x.ServerName}.config()
}

// dialOptions are the parts of the access that gRPC must know: TLS and the token.
func (a *App) dialOptions(x *Access, secure *tls.Config) ([]grpc.DialOption, error) {
	transport := insecure.NewCredentials()
	if secure != nil {
		transport = credentials.NewTLS(secure)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport)}
	token, err := a.readToken(x)
	if err != nil || token == "" {
		return options, err
	}
	options = append(options, grpc.WithPerRPCCredentials(bearer{token: token, secure: x.TLS}))
	if !x.TLS && strings.HasPrefix(x.Gateway, "localhost:") {
		options = append(options, grpc.WithContextDialer(DialLoopback))
	}
	return options, nil
}

// tlsFiles name the files of a TLS client.
type tlsFiles struct {
	ca, cert, key string // PEM files; empty: the system's authorities, no client certificate
	serverName    string // empty: the address's host
}

// config reads the files.
func (t tlsFiles) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.serverName}
	if t.ca != "" {
		data, err := readBounded(t.ca, maxPEM)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, Usagef("%s has no certificate in PEM form, and was given as the file of certificate authorities", t.ca)
		}
	}
	if t.cert != "" {
		pair, err := loadPair(t.cert, t.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// loadPair reads a certificate and its key.
func loadPair(cert, key string) (tls.Certificate, error) {
	certPEM, err := readBounded(cert, maxPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := readBounded(key, maxPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, Usagef("%s and %s are not a certificate and its key: %v", cert, key, err)
	}
	return pair, nil
}

// readBounded reads a whole file of at most limit bytes that a flag names.
func readBounded(path string, limit int64) ([]byte, error) {
	data, err := ReadFileBounded(path, limit)
	if err != nil {
		return nil, Usagef("%v", err)
	}
	return data, nil
}

// ReadFileBounded reads a whole file of at most limit bytes.
func ReadFileBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s has more than %s", path, units.HumanBytes(uint64(limit)))
	}
	return data, nil
}

// readToken returns the caller's token; empty without one.
func (a *App) readToken(x *Access) (string, error) {
	text, from := x.Token, "SOCKGATE_TOKEN"
	if x.TokenFile != "" {
		data, err := readBounded(x.TokenFile, maxToken)
		if err != nil {
			return "", err
		}
		a.WarnMode(x.TokenFile, 0o077)
		text, from = string(data), x.TokenFile
	}
	token := strings.TrimSpace(text)
	if from != "SOCKGATE_TOKEN" && token == "" {
		return "", Usagef("%s is empty; expected one token", from)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", Usagef("%s does not have one token; expected a line such as ctl token create prints", from)
	}
	return token, nil
}

// WarnMode warns when a file has one of the forbidden permission bits.
func (a *App) WarnMode(path string, forbidden fs.FileMode) {
	info, err := os.Stat(path)
	if err == nil && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&forbidden != 0 {
		a.Say("others than its owner have access to %s (mode %04o); chmod 600 it", path, info.Mode().Perm())
	}
}

// bearer puts the token on every call.
type bearer struct {
	token  string
	secure bool // only over TLS
}

// GetRequestMetadata returns the header.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

// RequireTransportSecurity makes gRPC itself refuse to send the token in plain text.
func (b bearer) RequireTransportSecurity() bool { return b.secure }

// DialLoopback connects to loopback addresses only: a name can resolve to any address.
func DialLoopback(ctx context.Context, address string) (net.Conn, error) {
	ip, err := netip.ParseAddrPort(address)
	if err != nil || !loopback.IsLoopback(ip.Addr()) {
		return nil, fmt.Errorf("localhost is %s here, where a token would go in plain text", address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}
