package server

import (
	"net/netip"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
)

// A header that comes after the refusal of its connection changes nothing: the address is neither counted nor admitted.
func TestHeaderAfterRefusal(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	s, err := New(Config{Node: "test", Handler: BaseHandler{}, Limits: Limits{ConnectionsPerIP: 1},
		Listeners: []ListenerConfig{{Name: "a", Address: "127.0.0.1:0", Proxy: ProxyOptional, ProxyTrusted: trusted}}})
	if err != nil {
		t.Fatal(err)
	}
	l := s.listeners[0]
	l.Label = &event.Listener{Name: "a"} // as bind does
	balancer := netip.MustParseAddrPort("192.0.2.1:1000")
	for _, first := range []string{"", "P", "PROXY TCP4 203.0"} {
		end := l.Admit(inert{}, balancer, balancer)
		end.Opened()
		end.Received([]byte(first), 0)
		s.admissions.RefuseAll(admission.Refusal{Reason: event.ReasonShutdown, Text: "test"})
		end.Received([]byte("PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\n"), 0)
		end.Received([]byte("hello"), 0)
		end.Ended()
		end.Closed()
		if n := s.CountedAddresses(); n != 0 || s.registry.Live() != 0 || s.registry.Pending() != 0 {
			t.Errorf("after %q: %d addresses are counted, %d live, %d pending", first, n, s.registry.Live(),
				s.registry.Pending())
		}
	}
	l.StopRefusals()
	if n := s.counters.Refusals[event.ReasonShutdown].Load(); n != 3 || s.totals().Refused != 3 {
		t.Errorf("%d refused; expected 3", n)
	}
}

// A connection that an accept rate refuses does not count for its address. Otherwise the address would lose places for
// good.
func TestRefusedForRateIsNotCounted(t *testing.T) {
	for _, limits := range []Limits{{AcceptRate: 1e-6, AcceptBurst: 1}, {AcceptRatePerIP: 1e-6, AcceptBurstPerIP: 1}} {
		limits.ConnectionsPerIP, limits.ConnectionsPerIPv6Network = 3, 3
		s := idleServer(t, Config{Limits: limits})
		first := s.connect(t, "[2001:db8::1]:1", 0)
		for range 5 {
			if s.listeners[0].Admit(&kernel{}, netip.MustParseAddrPort("[2001:db8::1]:2"), netip.AddrPort{}) != nil {
				t.Fatal("beyond the accept rate, a connection is admitted")
			}
		}
		if n := s.addresses.ByAddress[netip.MustParseAddr("2001:db8::1")]; n != 1 {
			t.Errorf("%+v: %d connections of the address are counted; expected 1", limits, n)
		}
		if refused := s.totals().Refusals; refused[event.ReasonIPLimit] != 0 || s.totals().Refused != 5 {
			t.Errorf("%+v: refused %v", limits, refused)
		}
		first.finish()
		if n := s.CountedAddresses(); n != 0 {
			t.Errorf("%+v: %d addresses are counted when every connection is closed", limits, n)
		}
		s.listeners[0].StopRefusals()
	}
}

// A ban ends a connection even when it is made after the judging of its peer and before the registering, where neither
// would see the other.
func TestBanMeetsAdmission(t *testing.T) {
	const id = "spiffe://example.org/device/7"
	remote := netip.MustParseAddrPort("192.0.2.1:1234")
	for _, ban := range []AddBanRequest{{Target: "192.0.2.0/24"}, {Target: id, Identity: true}} {
		s := idleServer(t, Config{})
		l, k := s.listeners[0], &kernel{}
		if r := l.Reserve(netip.AddrPort{}); r.Refuses() {
			t.Fatal(r.Message())
		}
		c := s.newConn(l, k, remote, netip.AddrPort{}, &event.Peer{Identity: id})
		k.end = endpoint{c}
		if r, err := s.AddBan(ban); err != nil || r.Closed != 0 {
			t.Fatalf("AddBan: %+v, %v", r, err)
		}
		l.register(c, false)
		if got := c.Info().CloseReason; got != ReasonBanned {
			t.Errorf("after a ban of %s, the connection ends for %s; expected BANNED", ban.Target, got)
		}
		k.finish()
	}
}
