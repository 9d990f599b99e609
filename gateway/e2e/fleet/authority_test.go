//go:build linux

package fleet

import (
	"net"
	"testing"

	"github.com/sockgate/sockgate/gateway/internal/authority"
)

// issuer makes the certificates that the nodes of a cluster prove their identities with.
type issuer struct {
	*authority.CA
	dir  string
	file string
}

func newAuthority(t testing.TB) *issuer {
	t.Helper()
	a := &issuer{CA: authority.New("the lab"), dir: t.TempDir()}
	a.file = a.WriteCert(t, a.dir, "ca")
	return a
}

// flags makes a node's certificate, for its name and the address that it listens on, and returns the flags that give it
// to the node.
func (a *issuer) flags(t testing.TB, node, address string) []string {
	t.Helper()
	host, _, err := net.SplitHostPort(address)
	check(t, err)
	leaf := a.Peer(authority.CommonName(node), authority.DNS(node), authority.IP(host))
	cert, key := leaf.Write(t, a.dir, node+"-"+host)
	return []string{"--cluster-tls-cert", cert, "--cluster-tls-key", key, "--cluster-tls-ca", a.file}
}
