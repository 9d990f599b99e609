package natsbus

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestServersInside holds that the server's source has the method that the entrance calls, with the same signature, and
// that an implicit route of default gossip is the one that the server makes of an accepted connection.
func TestServersInside(t *testing.T) {
	t.Parallel()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}",
		"github.com/nats-io/nats-server/v2/server").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	source, err := parser.ParseFile(files, filepath.Join(strings.TrimSpace(string(dir)), "route.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	printed := func(n ast.Node) string {
		var text strings.Builder
		if err := printer.Fprint(&text, files, n); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	var signature, first string
	ast.Inspect(source, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "createRoute" {
				n.Body = nil
				signature = printed(n)
			}
		case *ast.ValueSpec:
			if n.Names[0].Name == "gossipDefault" {
				first = printed(n)
			}
		}
		return true
	})
	const want = "func (s *Server) createRoute(conn net.Conn, rURL *url.URL, rtype RouteType, gossipMode byte, " +
		"accName string) *client"
	if signature != want || first != "gossipDefault = byte(iota)" {
		t.Errorf("the server has %q and %q; expected %q: mend entrance.go", signature, first, want)
	}
}

// peer is a connection that has only an address.
type peer struct {
	net.Conn
	remote *net.TCPAddr
}

func (p *peer) RemoteAddr() net.Addr { return p.remote }

func peerFrom(address string) *peer {
	return &peer{remote: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))}
}

// TestUnprovenShares holds that the oldest connection of the address with the most gives way, in IPv6 of the network,
// and that a connection that is the only one of its address stays.
func TestUnprovenShares(t *testing.T) {
	t.Parallel()
	u := unproven{byAddress: make(map[netip.Addr][]net.Conn)}
	alone := peerFrom("192.0.2.1")
	u.add(alone)
	var flood []*peer
	for i := range maxUnproven + 100 {
		flood = append(flood, peerFrom([]string{"2001:db8::1", "2001:db8::2:1"}[i%2]))
		victim := u.add(flood[i])
		if due := i - (maxUnproven - 1); due < 0 && victim != nil || due >= 0 && victim != flood[due] {
			t.Fatalf("for connection %d, %v gives way", i, victim)
		}
	}
	if u.count != maxUnproven || len(u.byAddress) != 2 {
		t.Errorf("%d connections, of %d addresses", u.count, len(u.byAddress))
	}
	u.remove(flood[0]) // it has given way already
	u.remove(alone)
	u.remove(alone)
	if u.count != maxUnproven-1 || len(u.byAddress) != 1 {
		t.Errorf("then %d connections, of %d addresses", u.count, len(u.byAddress))
	}
}
