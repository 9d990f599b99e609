package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/fileedit"
)

const (
	maxDevValidity = 825 * 24 * time.Hour // the most that browsers and systems take of a private authority
	devBackdate    = 5 * time.Minute      // for clocks that are behind
	devTrustDomain = "spiffe://sockgate.dev/"
)

type tlsDevOptions struct {
	hosts []string
	valid time.Duration
	force bool
}

// TLSDevCommand is `ctl tls-dev`.
func TLSDevCommand(a *app.App) *cobra.Command {
	var o tlsDevOptions
	cmd := &cobra.Command{
		Use:   "tls-dev DIR",
		Short: "Make certificates to try TLS out; not for production",
		Long: `Make a private certificate authority and certificates of it in DIR, to try TLS out: one for the
server, for localhost, 127.0.0.1, ::1 and every --host, and one for a client of each role, with
the identities ` + devTrustDomain + `viewer and so on. Keys are ECDSA P-256, in files that only you can
read (0600).

It is for trying out only: the authority's key lies unprotected beside the certificates, and
nothing renews or revokes them. In production, use an authority that does.`,
		Example:           `  ctl tls-dev certs --host gw.local`,
		Args:              app.Exactly(1, "one DIR"),
		ValidArgsFunction: completeDirectories,
		RunE:              a.RunE(func(_ *cobra.Command, args []string) error { return tlsDev(a, args[0], o) }),
	}
	cmd.Flags().StringSliceVar(&o.hosts, "host", nil, "another `NAME` or IP address of the server (repeatable)")
	cmd.Flags().DurationVar(&o.valid, "valid", 30*24*time.Hour, "how long they are valid, up to 19800h (825 days)")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace existing files")
	app.CompleteFlag(cmd, "host")
	app.CompleteFlag(cmd, "valid")
	return cmd
}

// completeDirectories offers directories for the one argument.
func completeDirectories(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// devPair is a certificate and its key as files.
type devPair struct {
	name     string // of the files, without .pem and -key.pem
	purpose  string
	template *x509.Certificate
}

// devFile is one file in the output of `ctl tls-dev`.
type devFile struct {
	File    string `json:"file"`
	Purpose string `json:"purpose"`
}

// tlsDev makes all certificates, or none where one of the files exists.
func tlsDev(a *app.App, dir string, o tlsDevOptions) error {
	if o.valid <= 0 || o.valid > maxDevValidity {
		return app.Usagef("--valid %s is out of bounds; give more than 0 and up to 19800h, for example 720h", o.valid)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	pairs := devPairs(o.hosts)
	if err := refuseExisting(dir, pairs, o.force); err != nil {
		return err
	}
	files, err := writePairs(a, dir, pairs, o.valid)
	if err != nil {
		return err
	}
	if err := printDevFiles(a, files); err != nil {
		return err
	}
	sayDevUse(a, dir)
	return nil
}

// devPairs are the certificates to make; the authority comes first.
func devPairs(hosts []string) []devPair {
	server := &x509.Certificate{
		Subject: pkix.Name{CommonName: "sockgate server for trying out"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1),
			net.IPv6loopback}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, host)
		}
	}
	pairs := []devPair{
		{"ca", "the authority that made the others", &x509.Certificate{
			Subject: pkix.Name{CommonName: "sockgate authority for trying out"}, IsCA: true, BasicConstraintsValid: true,
			MaxPathLenZero: true,
			KeyUsage:       x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}},
		{"server", "the gateway, data plane and control plane", server},
	}
	for _, role := range tokenRoles() {
		id, _ := url.Parse(devTrustDomain + role) // a constant and a word
		pairs = append(pairs, devPair{role, "a client, " + id.String(), &x509.Certificate{
			Subject: pkix.Name{CommonName: role}, URIs: []*url.URL{id},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			KeyUsage:    x509.KeyUsageDigitalSignature,
		}})
	}
	return pairs
}

// refuseExisting keeps existing files, unless force is set.
func refuseExisting(dir string, pairs []devPair, force bool) error {
	for _, p := range pairs {
		for _, file := range p.files(dir) {
			_, err := os.Lstat(file)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return err
			case !force:
				return fmt.Errorf("%s is there already; give another directory, or --force to replace it", file)
			}
		}
	}
	return nil
}

// files are the certificate's and the key's.
func (p *devPair) files(dir string) [2]string {
	return [2]string{filepath.Join(dir, p.name+".pem"), filepath.Join(dir, p.name+"-key.pem")}
}

// writePairs makes the certificates. The first is that of the authority, which signs itself and all others.
func writePairs(a *app.App, dir string, pairs []devPair, valid time.Duration) ([]devFile, error) {
	var files []devFile
	var authority *x509.Certificate
	var authorityKey *ecdsa.PrivateKey
	for _, p := range pairs {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		if authority == nil {
			authority, authorityKey = p.template, key
		}
		p.template.NotBefore, p.template.NotAfter = a.Env.Now().Add(-devBackdate), a.Env.Now().Add(valid)
		if p.template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificate(rand.Reader, p.template, authority, key.Public(), authorityKey)
		if err != nil {
			return nil, fmt.Errorf("the certificate of %s cannot be made: %w", p.name, err)
		}
		if authority == p.template {
			if authority, err = x509.ParseCertificate(der); err != nil { // has the key's identifier, for the others to name
				return nil, err
			}
		}
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		paths := p.files(dir)
		if err := errors.Join(writePEM(paths[0], "CERTIFICATE", der, 0o644),
			writePEM(paths[1], "PRIVATE KEY", keyDER, 0o600)); err != nil {
			return nil, err
		}
		files = append(files, devFile{paths[0], p.purpose}, devFile{paths[1], "its key"})
	}
	return files, nil
}

// writePEM writes a file anew, so that it has its mode also when there was one.
func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	edit, err := fileedit.Begin(path)
	if err != nil {
		return err
	}
	defer edit.Abandon()
	return edit.Commit(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// printDevFiles prints the files.
func printDevFiles(a *app.App, files []devFile) error {
	rows := a.NewRows("FILE", "PURPOSE")
	for _, f := range files {
		if err := rows.Add(f, f.File, f.File, f.Purpose); err != nil {
			return err
		}
	}
	return rows.Flush()
}

// sayDevUse shows how to use the certificates.
func sayDevUse(a *app.App, dir string) {
	file := func(name string) string { return shellWord(filepath.Join(dir, name)) }
	var roles []string
	for _, role := range tokenRoles() {
		roles = append(roles, "--control-role "+devTrustDomain+role+"="+role)
	}
	cert, key, ca := file("server.pem"), file("server-key.pem"), file("ca.pem")
	lines := []string{"these are for trying out only: the authority's key lies unprotected beside them. To use them:",
		"  gateway --tls-cert " + cert + " --tls-key " + key + " \\",
		"    --control-tls-cert " + cert + " --control-tls-key " + key + " --control-tls-client-ca " + ca + " \\"}
	for i, role := range roles {
		if i < len(roles)-1 {
			role += " \\"
		}
		lines = append(lines, "    "+role)
	}
	a.SayLines(append(lines,
		"  ctl context add trying --gateway "+app.DefaultGateway+" --tls-ca "+ca+" --tls-cert "+file("admin.pem")+
			" --tls-key "+file("admin-key.pem")+" --use",
		"  ctl info",
		"  ctl dial --data-ca "+ca+" 127.0.0.1:8017")...)
}

// shellWord quotes a word for a shell where that is needed.
func shellWord(word string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`).MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
