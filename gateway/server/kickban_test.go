package server_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A kick with a ban keeps the peer out, and leaves its other connections alone. The dry run bans no peer.
func TestKickBans(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Control)
	a, b := g.open(), g.open()
	r := server.KickRequest{Targets: server.IDs(a.id, a.id, "nonsense"), Flush: safety, Ban: 10 * time.Minute,
		Reason: "abuse", Actor: event.Actor{Identity: "alice"}, DryRun: true}
	dry, err := g.Kick(t.Context(), r)
	if err != nil || dry.Kicked != 2 || dry.Banned != nil || len(g.bans()) != 0 {
		t.Errorf("dry run: %+v, %v; %d bans", dry, err, len(g.bans()))
	}
	go func() {
		_, _ = a.Read(make([]byte, 1))
		a.Close()
	}()
	r.DryRun = false
	kick, err := g.Kick(t.Context(), r)
	if err != nil || kick.Kicked != 1 || kick.Closed != 1 || kick.NotFound != 1 || kick.Matched != 3 ||
		!reflect.DeepEqual(kick.Banned, []string{"127.0.0.1/32"}) {
		t.Errorf("Kick: %+v, %v", kick, err)
	}
	d := f.awaitType(event.Control, "").Detail.(*event.ControlDetail)
	if d.Verb != "Kick" || d.Ban != "10m0s" || d.Reason != "abuse" || d.Outcomes["KICKED"] != 1 {
		t.Errorf("recorded as %+v", d)
	}
	bans := g.bans()
	if len(bans) != 1 || bans[0].Reason != "abuse" || bans[0].CreatedBy != "alice" ||
		bans[0].ExpiresAt.Sub(bans[0].CreatedAt) != 10*time.Minute {
		t.Errorf("bans %+v", bans)
	}
	g.refused()
	mustWrite(t, b, []byte("still here"))
	mustRead(t, b, "still here")
}

// A ban that ends later than the kick's stays, and one that ends earlier is replaced.
func TestKickLeavesLongerBan(t *testing.T) {
	for _, c := range []struct{ before, kick, after time.Duration }{
		{0, time.Hour, 0}, {2 * time.Hour, time.Hour, 2 * time.Hour}, {time.Minute, time.Hour, time.Hour},
	} {
		g := start(t, server.Config{})
		p := g.open()
		g.ban(server.AddBanRequest{Target: "127.0.0.0/8", Keep: true})
		g.ban(server.AddBanRequest{Target: "127.0.0.1", Keep: true, Duration: c.before})
		g.ban(server.AddBanRequest{Target: "device-7", Identity: true, Keep: true})
		kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Ban: c.kick, Flush: time.Millisecond})
		bans := g.bans()
		if err != nil || kick.Kicked != 1 || len(kick.Banned) != 1 || len(bans) != 3 || bans[1].Target != "127.0.0.1/32" {
			t.Fatalf("%+v, %v; bans %+v", kick, err, bans)
		}
		var lasts time.Duration
		if b := bans[1]; !b.ExpiresAt.IsZero() {
			lasts = b.ExpiresAt.Sub(b.CreatedAt)
		}
		if lasts != c.after {
			t.Errorf("a ban for %s, and a kick with one for %s: it lasts %s; expected %s", c.before, c.kick, lasts, c.after)
		}
	}
}

// A kick bans the whole /64 network of an IPv6 peer, which is what one customer has, and bans no peer on a unix socket.
func TestKickBansNetwork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	g := start(t, server.Config{Listeners: []server.ListenerConfig{{Name: "six", Address: "[::1]:0"},
		{Name: "unix", Address: "unix://" + path}}})
	f := g.follow(event.Connected)
	dial := func(network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), network, address)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			f.awaitType(event.Connected, "")
		}
		return c, err
	}
	if _, err := dial("tcp", g.addr()); err != nil {
		t.Fatal(err)
	}
	if _, err := dial("unix", path); err != nil {
		t.Fatal(err)
	}
	kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.Where(match(everything)), Ban: time.Hour,
		Flush: time.Millisecond})
	if err != nil || kick.Kicked != 2 || !reflect.DeepEqual(kick.Banned, []string{"::/64"}) {
		t.Errorf("Kick: %+v, %v; expected two kicked, and the network banned", kick, err)
	}
	if _, err := dial("unix", path); err != nil {
		t.Errorf("on the unix socket: %v", err)
	}
}

// When the ban cannot be made, no connection is kicked.
func TestKickWithoutBan(t *testing.T) {
	g := start(t, server.Config{})
	p := g.open()
	var long *server.BanDurationError
	r := server.KickRequest{Targets: server.IDs(p.id), Ban: server.MaxBanDuration + 1, Flush: time.Second}
	if kick, err := g.Kick(context.Background(), r); !errors.As(err, &long) {
		t.Errorf("Kick: %+v, %v; expected a BanDurationError", kick, err)
	}
	mustWrite(t, p, []byte("still here"))
	mustRead(t, p, "still here")
}
