package server_test

import (
	"errors"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// everybody is a network that has the address of every client of the tests.
const everybody = "127.0.0.0/8"

func (g *gateway) ban(r server.AddBanRequest) server.AddBanResult {
	g.t.Helper()
	result, err := g.AddBan(r)
	if err != nil {
		g.t.Fatal(err)
	}
	return result
}

func (g *gateway) bans() []server.Ban {
	g.t.Helper()
	page, err := g.ListBans(server.ListBansRequest{Limit: 1000})
	if err != nil {
		g.t.Fatal(err)
	}
	return page.Bans
}

// refused connects and checks that the gateway closes without a byte.
func (g *gateway) refused() {
	g.t.Helper()
	if n, err := g.dial().Read(make([]byte, 1)); n > 0 || err == nil || isTimeout(err) {
		g.t.Errorf("read %d bytes, %v; expected to be refused", n, err)
	}
}

// A ban closes a peer's live connections and refuses new ones until it is removed. Lists, totals and the record show
// it.
func TestBan(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{})
		f := g.follow(event.Closed, event.Control)
		a, b := g.open(), g.open()
		alice := event.Actor{Identity: "alice", Role: "OPERATOR"}
		r := g.ban(server.AddBanRequest{Target: "127.0.0.9/8", Duration: time.Hour, Reason: "abuse", Actor: alice})
		if r.Closed != 2 || r.Replaced || r.Durable || r.Ban.Target != everybody || r.Ban.Reason != "abuse" ||
			r.Ban.CreatedBy != "alice" || r.Ban.ExpiresAt.Sub(r.Ban.CreatedAt) != time.Hour {
			t.Errorf("AddBan: %+v", r)
		}
		mustEnd(t, a)
		a.Close()
		b.Close()
		record := f.await("CONTROL", func(e *event.Event) bool { return e.Type == event.Control }).
			Detail.(*event.ControlDetail)
		if record.Verb != "AddBan" || record.Ban != everybody || record.Actor != alice || record.Reason != "abuse" ||
			record.Matched != 2 || record.Outcomes["CLOSED"] != 2 {
			t.Errorf("recorded as %+v", record)
		}
		g.settle(0)
		for _, id := range []string{a.id, b.id} {
			if i := g.get(id); i.CloseReason != event.ReasonBanned || i.CloseText != "abuse" || i.ClosedBy != "alice" {
				t.Errorf("closed with %s, %q, by %q", i.CloseReason, i.CloseText, i.ClosedBy)
			}
		}
		g.refused()
		g.refused()
		if bans := g.bans(); len(bans) != 1 || bans[0].Refused != 2 || bans[0].Target != everybody {
			t.Errorf("%+v; expected one ban that has refused 2", bans)
		}
		removed, err := g.RemoveBan(server.RemoveBanRequest{Target: everybody, Actor: alice})
		if err != nil || removed.Target != everybody || removed.Refused != 2 {
			t.Errorf("RemoveBan: %+v, %v", removed, err)
		}
		record = f.await("CONTROL", func(e *event.Event) bool { return e.Type == event.Control }).
			Detail.(*event.ControlDetail)
		if record.Verb != "RemoveBan" || record.Ban != everybody || record.Actor != alice || record.Matched != 0 {
			t.Errorf("recorded as %+v", record)
		}
		var none *server.BanNotFoundError
		if _, err := g.RemoveBan(server.RemoveBanRequest{Target: everybody}); !errors.As(err, &none) {
			t.Errorf("RemoveBan, once more: %v", err)
		}
		g.open()
	})
}

// With Keep, live connections stay. A second ban of a target replaces the first.
func TestBanKeepsConnections(t *testing.T) {
	g := start(t, server.Config{})
	p := g.open()
	g.ban(server.AddBanRequest{Target: "127.0.0.1", Keep: true})
	r := g.ban(server.AddBanRequest{Target: "127.0.0.1/32", Keep: true, Reason: "second"})
	if bans := g.bans(); r.Closed != 0 || !r.Replaced || len(bans) != 1 || bans[0].Reason != "second" ||
		!bans[0].ExpiresAt.IsZero() {
		t.Errorf("%+v, of %+v; expected that it replaced the first", r, bans)
	}
	g.refused()
	mustWrite(t, p, []byte("still here"))
	mustRead(t, p, "still here")
}

// A ban that is made while connections come leaves none of its target's connections.
func TestBanMissesNobody(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{EventLogSize: 1 << 18})
		addr := g.addr()
		for range 40 {
			var dialing sync.WaitGroup
			var stop atomic.Bool
			var open [4][]net.Conn
			connected := g.follow(event.Connected)
			for lane := range open {
				dialing.Go(func() {
					for !stop.Load() && len(open[lane]) < 500 {
						if c, err := net.Dial("tcp", addr); err == nil {
							open[lane] = append(open[lane], c)
						}
					}
				})
			}
			for range 8 {
				connected.awaitType(event.Connected, "")
			}
			g.ban(server.AddBanRequest{Target: everybody})
			stop.Store(true)
			dialing.Wait()
			// Each client finishes when the gateway does, and none before: so only the ban ends them.
			for _, lane := range open {
				for _, c := range lane {
					_ = c.SetDeadline(time.Now().Add(safety))
					if _, err := c.Read(make([]byte, 1)); isTimeout(err) {
						t.Fatal("a connection has outlived the ban of its peer")
					}
					c.Close()
				}
			}
			g.settle(0)
			if _, err := g.RemoveBan(server.RemoveBanRequest{Target: everybody}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Targets parse and list as the table says, and other texts are refused.
func TestBanTargets(t *testing.T) {
	g := start(t, server.Config{})
	long := strings.Repeat("x", 1024)
	for _, c := range []struct {
		target   string
		identity bool
		want     string // "" means an error
	}{
		{"203.0.113.7", false, "203.0.113.7/32"},
		{"203.0.113.7/32", false, "203.0.113.7/32"},
		{"10.1.2.3/8", false, "10.0.0.0/8"},
		{"0.0.0.0/0", false, "0.0.0.0/0"},
		{"2001:DB8::1", false, "2001:db8::1/128"},
		{"2001:db8:1:2:3::/64", false, "2001:db8:1:2::/64"},
		{"::ffff:203.0.113.7", false, "203.0.113.7/32"},
		{"::ffff:10.1.2.3/104", false, "10.0.0.0/8"},
		{"fe80::1%eth0", false, "fe80::1/128"},
		{"spiffe://example.org/device/7", true, "spiffe://example.org/device/7"},
		{"203.0.113.7", true, "203.0.113.7"},
		{long, true, long},
		{"", false, ""}, {"example.org", false, ""}, {"10.0.0.0/33", false, ""}, {"10.0.0/8", false, ""},
		{" 10.0.0.1", false, ""},
		{"fe80::%eth0/64", false, ""}, {"", true, ""}, {long + "x", true, ""}, {"\xff", true, ""},
	} {
		r, err := g.AddBan(server.AddBanRequest{Target: c.target, Identity: c.identity, Keep: true})
		var wrong *server.BanTargetError
		if c.want == "" && !errors.As(err, &wrong) || c.want != "" &&
			(err != nil || r.Ban.Target != c.want || r.Ban.Identity != c.identity) {
			t.Errorf("AddBan(%.50q, identity %v): %.50q, %v; expected %.50q", c.target, c.identity, r.Ban.Target, err, c.want)
		}
		if _, err := g.RemoveBan(server.RemoveBanRequest{Target: c.target,
			Identity: c.identity}); (c.want == "") != errors.As(err, &wrong) {
			t.Errorf("RemoveBan(%.50q, identity %v): %v", c.target, c.identity, err)
		}
	}
	var long10 *server.BanDurationError
	for _, d := range []time.Duration{-1, server.MaxBanDuration + 1} {
		if _, err := g.AddBan(server.AddBanRequest{Target: "10.0.0.1", Duration: d}); !errors.As(err, &long10) {
			t.Errorf("AddBan for %s: %v", d, err)
		}
	}
	if bans := g.bans(); len(bans) != 0 {
		t.Errorf("%d bans are left", len(bans))
	}
}

// A ban covers addresses in any form, and identities letter by letter.
func TestBanCovers(t *testing.T) {
	g := start(t, server.Config{})
	for _, target := range []string{"203.0.113.7", "10.0.0.0/8", "2001:db8::/64", "fe80::1"} {
		g.ban(server.AddBanRequest{Target: target, Keep: true, Reason: target})
	}
	g.ban(server.AddBanRequest{Target: "10.1.0.0/16", Keep: true, Duration: time.Hour, Reason: "narrow",
		Actor: event.Actor{Identity: "bob"}})
	g.ban(server.AddBanRequest{Target: "device-7", Identity: true, Keep: true, Reason: "stolen"})
	for _, c := range []struct {
		addr, identity string
		want           string // a part of the text; "" means not banned
	}{
		{"203.0.113.7", "", "banned: 203.0.113.7"}, {"::ffff:203.0.113.7", "", "banned: 203.0.113.7"},
		{"203.0.113.8", "", ""},
		{"10.255.255.255", "", "10.0.0.0/8"}, {"11.0.0.0", "", ""}, {"2001:db8::ffff", "", "2001:db8::/64"},
		{"2001:db8:0:1::", "", ""},
		{"fe80::1%eth7", "", "fe80::1"}, {"10.1.2.3", "", ": narrow"}, {"10.1.2.3", "", "banned by bob until 2"},
		{"", "", ""},
		{"192.0.2.1", "device-7", "banned: stolen"}, {"192.0.2.1", "device-70", ""}, {"192.0.2.1", "Device-7", ""},
		{"", "device-7", "stolen"},
	} {
		var addr netip.Addr
		if c.addr != "" {
			addr = netip.MustParseAddr(c.addr)
		}
		text, yes := g.Banned(addr, c.identity)
		if yes != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("%q %q: banned %v, %q; expected %q", c.addr, c.identity, yes, text, c.want)
		}
	}
}

// A ban ends at its time, to the nanosecond. It then makes room for another, and lists leave it out.
func TestBanExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Config{Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}},
			Handler: server.BaseHandler{}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Log().Close()
		addr := netip.MustParseAddr("203.0.113.7")
		add := func(target string, lasts time.Duration) {
			if _, err := s.AddBan(server.AddBanRequest{Target: target, Duration: lasts}); err != nil {
				t.Fatal(err)
			}
		}
		add("203.0.113.7", 10*time.Minute)
		add("203.0.113.0/24", 20*time.Minute)
		add("203.0.0.0/16", 0)
		for _, want := range []int{3, 2, 1} {
			page, err := s.ListBans(server.ListBansRequest{Limit: 1})
			if err != nil || page.Total != want || page.More != (want > 1) || len(page.Bans) != 1 {
				t.Fatalf("%+v, %v; expected %d bans", page, err, want)
			}
			time.Sleep(10*time.Minute - time.Nanosecond)
			before, _ := s.Banned(addr, "")
			time.Sleep(time.Nanosecond)
			if after, yes := s.Banned(addr, ""); !yes || want > 1 && after == before || want == 1 && after != before {
				t.Errorf("%d bans: refused as %q just before the first ends, and as %q then", want, before, after)
			}
		}
		var none *server.BanNotFoundError
		if _, err := s.RemoveBan(server.RemoveBanRequest{Target: "203.0.113.7"}); !errors.As(err, &none) {
			t.Errorf("removing a ban that has expired: %v", err)
		}
	})
}

// Pages go through all bans in order, even when the ban that began a page is gone.
func TestListBans(t *testing.T) {
	g := start(t, server.Config{})
	want := []string{"9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.1/32", "::/0", "2001:db8::/32", "Zoe", "alice",
		"bob"}
	for _, i := range []int{4, 8, 0, 6, 2, 5, 1, 7, 3} {
		g.ban(server.AddBanRequest{Target: want[i], Identity: i > 5, Keep: true})
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		r := server.ListBansRequest{Limit: limit}
		for {
			page, err := g.ListBans(r)
			if err != nil || page.Total != len(want) || len(page.Bans) > limit {
				t.Fatalf("%+v, %v", page, err)
			}
			for _, b := range page.Bans {
				got = append(got, b.Target)
				r.After, r.AfterIdentity = b.Target, b.Identity
			}
			if !page.More {
				break
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d a page: %q; expected %q", limit, got, want)
		}
	}
	page, err := g.ListBans(server.ListBansRequest{After: "10.0.0.0/12", Limit: 1})
	if err != nil || page.Bans[0].Target != "10.0.0.0/16" {
		t.Errorf("behind one that is gone: %+v, %v", page, err)
	}
	var wrong *server.BanTargetError
	if _, err := g.ListBans(server.ListBansRequest{After: "nonsense", Limit: 1}); !errors.As(err, &wrong) {
		t.Errorf("behind nonsense: %v", err)
	}
}
