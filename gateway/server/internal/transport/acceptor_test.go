package transport_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// A connection that the admission refuses is closed at once, and accepting goes on.
func TestRefuse(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, e transport.Engine, network string) {
		ln, dial := listen(t, network)
		h := newHall()
		h.refuse.Store(true)
		a, err := e.Accept(ln, h)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("a refused peer read: %v; expected EOF", err)
			}
			c.Close()
		}
		h.refuse.Store(false)
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r := <-h.admitted
		r.socket.Close(false)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		e.Wait()
		if again, err := dial(); err == nil {
			again.Close()
			t.Error("a peer connected to a closed listener")
		}
	})
}

// Both addresses of a connection are known. IPv4 addresses are unmapped also on a listener for both families.
func TestAddresses(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0", ":0", "0.0.0.0:0"} {
		eachPlain(t, []string{"tcp"}, func(t *testing.T, e transport.Engine, _ string) {
			ln, err := net.Listen("tcp", address)
			if address == "[::1]:0" && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
				e.Wait()
				t.Skipf("this machine has no IPv6: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			port := netip.MustParseAddrPort(ln.Addr().String()).Port()
			target := netip.AddrPortFrom(netip.MustParseAddrPort(ln.Addr().String()).Addr(), port)
			if target.Addr().IsUnspecified() {
				target = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
			}
			h := newHall()
			a, err := e.Accept(ln, h)
			if err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("tcp", target.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r := <-h.admitted
			if r.local != target || r.remote.String() != c.LocalAddr().String() {
				t.Errorf("%s: remote %s, local %s; expected %s and %s", address, r.remote, r.local, c.LocalAddr(), target)
			}
			r.socket.Close(false)
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			e.Wait()
		})
	}
}
