package event_test

import (
	"net/netip"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// TestAppendIsTheText holds that each append method of an identity writes the text that its string method returns.
func TestAppendIsTheText(t *testing.T) {
	for _, listener := range []*event.Listener{{}, {Unix: "/run/a"}} {
		for _, address := range []string{"", "10.0.0.1:2", "[2001:db8::1]:65535"} {
			remote, _ := netip.ParseAddrPort(address) // the zero value for ""
			i := &event.Identity{Origin: &origin, Listener: listener, Seq: 42, Remote: remote,
				Local: netip.MustParseAddrPort("10.0.0.2:3")}
			for _, c := range []struct {
				text   string
				append func([]byte) []byte
			}{{i.ID(), i.AppendID}, {i.RemoteAddr(), i.AppendRemoteAddr}, {i.LocalAddr(), i.AppendLocalAddr}} {
				if got := string(c.append([]byte("before "))); got != "before "+c.text {
					t.Errorf("appended %q; expected %q", got, c.text)
				}
			}
		}
	}
}

// TestNoIdentityHasNoTexts holds that a program may print the connection of any event, also of one that is about none.
func TestNoIdentityHasNoTexts(t *testing.T) {
	var c event.Connection
	if text := c.ID() + c.RemoteAddr() + c.LocalAddr() + c.ProxyAddr(); text != "" || c.Known() != (event.Peer{}) {
		t.Errorf("%q, %+v; expected nothing", text, c.Known())
	}
	for _, appended := range []func([]byte) []byte{c.AppendID, c.AppendRemoteAddr, c.AppendLocalAddr} {
		if got := appended([]byte("x")); string(got) != "x" {
			t.Errorf("appended %q", got[1:])
		}
	}
}
