package server_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// listening returns a server that listens and has a ban file, or the error of Listen.
func listening(t *testing.T, file string) (*server.Server, error) {
	t.Helper()
	s, err := server.New(server.Config{Node: "test", BanFile: file, Handler: server.BaseHandler{},
		Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Log().Close()
		_ = s.Shutdown(t.Context())
	})
	return s, s.Listen()
}

func mustListen(t *testing.T, file string) *server.Server {
	t.Helper()
	s, err := listening(t, file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bansOf(t *testing.T, s *server.Server) []server.Ban {
	t.Helper()
	page, err := s.ListBans(server.ListBansRequest{Limit: server.MaxBans})
	if err != nil {
		t.Fatal(err)
	}
	return page.Bans
}

func mustWriteFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustReadFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Bans survive a restart unchanged, in a file that only its owner can read. Bans that expire meanwhile do not.
func TestBansSurviveRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	s := mustListen(t, file)
	for _, r := range []server.AddBanRequest{
		{Target: "203.0.113.7", Duration: time.Hour, Reason: "abuse <of> \"all\" kinds\n",
			Actor: event.Actor{Identity: "alice"}},
		{Target: "2001:db8::/32"}, {Target: "spiffe://example.org/é", Identity: true, Reason: "stolen"},
		{Target: "192.0.2.1", Duration: time.Nanosecond}, {Target: "192.0.2.2"},
	} {
		if added, err := s.AddBan(r); err != nil || !added.Durable {
			t.Errorf("AddBan(%q): %+v, %v", r.Target, added, err)
		}
	}
	if _, err := s.RemoveBan(server.RemoveBanRequest{Target: "192.0.2.2"}); err != nil {
		t.Error(err)
	}
	want := bansOf(t, s)
	if len(want) != 3 {
		t.Errorf("%+v; expected three", want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v; expected a file with the mode 0600", info.Mode(), err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	next := mustListen(t, file)
	if got := bansOf(t, next); !reflect.DeepEqual(got, want) {
		t.Errorf("after the restart:\n%+v\nbefore:\n%+v", got, want)
	}
	if text, yes := next.Banned(netip.MustParseAddr("203.0.113.7"), ""); !yes ||
		!strings.HasPrefix(text, "banned by alice until ") {
		t.Errorf("refused: %v, %q", yes, text)
	}
	if lines := strings.Count(mustReadFile(t, file), "\n"); lines < 4 {
		t.Errorf("%d lines; expected one for each ban", lines)
	}
}

// A kick's ban is in the file too.
func TestKickBanIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	g := start(t, server.Config{BanFile: file})
	p := g.open()
	if _, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Ban: time.Hour,
		Flush: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	g.stop()
	if bans := bansOf(t, mustListen(t, file)); len(bans) != 1 || bans[0].Target != "127.0.0.1/32" {
		t.Errorf("after the restart: %+v", bans)
	}
}

// Listen sets a damaged ban file of version 1, or one without a first line, aside under an unused name, reports it, and
// starts without bans.
func TestDamagedBanFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	whole := `{"version": 1, "bans": [{"target": "203.0.113.7/32", "created_at": "2026-03-04T10:41:02Z"}]}`
	damaged := []string{"", "{}", "[]", "null", whole + "x", whole + whole, whole[:len(whole)-3],
		strings.Replace(whole, "203", "703", 1), strings.Replace(whole, `"version": 1`, `"version": 2`, 1),
		strings.Replace(whole, `"target"`, `"removed": true, "target"`, 1),
		`{"version": 1, "bans": [{"target": "10.0.0.1", "expires_at": "9999-12-31T23:59:59-01:00"}]}`,
		"ade14503 {\"version\":2}", "ade14504 {\"version\":2}\n", "ade14503 {\"version\":3}\n",
		strings.Replace(whole, `"target"`, `"until": "2026-03-04", "target"`, 1),
		strings.Replace(whole, "203.0.113.7/32", "\xff", 1), `{"version": 1}`, `{"version": 1, "bans": null}`,
		`{"version": 1, "bans": [{"target": "10.0.0.1"}, {"target": "10.0.0.1/32"}]}`,
		`{"version": 1, "bans": [{"target": "10.0.0.1", "reason": "` + strings.Repeat("x", 257) + `"}]}`,
		`{"version": 1, "bans": [{"target": "10.0.0.1", "expires_at": "tomorrow"}]}`,
		`{"version": 1, "bans": [{"target": "10.0.0.1"}, {"target": "nonsense"}]}`}
	for _, text := range damaged {
		mustWriteFile(t, file, text)
		s := mustListen(t, file)
		if bans := bansOf(t, s); len(bans) != 0 {
			t.Errorf("%.200q: %+v; expected that a damaged file is refused as a whole", text, bans)
		}
		sub, err := s.Subscribe(server.SubscribeRequest{After: "0"})
		if err != nil {
			t.Fatal(err)
		}
		events := sub.Poll(nil)
		sub.Close()
		if len(events) != 1 || events[0].Type != event.Error {
			t.Fatalf("%.200q: %d events; expected an ERROR", text, len(events))
		}
		if d := events[0].Detail.(*event.ErrorDetail); d.Operation != event.OpBanFile || d.Count != 1 ||
			!strings.Contains(d.Message, "set aside") {
			t.Errorf("%.200q: %+v", text, d)
		}
		if _, err := s.AddBan(server.AddBanRequest{Target: "10.0.0.1"}); err != nil {
			t.Errorf("%.200q: afterwards: %v", text, err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	aside, err := filepath.Glob(file + ".damaged-*")
	if err != nil || len(aside) != len(damaged) {
		t.Errorf("%d files were set aside, %v; expected all %d", len(aside), err, len(damaged))
	}
	kept := make(map[string]bool)
	for _, name := range aside {
		kept[mustReadFile(t, name)] = true
	}
	for _, text := range damaged {
		if !kept[text] {
			t.Errorf("%.200q is lost", text)
		}
	}
}

// Listen fails for a ban file that it cannot read or lock, or that another gateway uses. The error says what to do, and
// no address is bound.
func TestBanFileThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	used := filepath.Join(dir, "used")
	owner := mustListen(t, used)
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, c := range []struct{ file, want string }{
		{used, "give each a ban file of its own"},
		{filepath.Join(dir, "directory"), "move it away to start without bans"},
		{filepath.Join(dir, "socket"), "it is no regular file"},
		{filepath.Join(dir, "missing", "file"), "its directory must exist"},
	} {
		if _, err := listening(t, c.file); err == nil || !strings.Contains(err.Error(), c.file) ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("Listen: %v; expected the name %s and %q", err, c.file, c.want)
		}
	}
	if err := owner.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := listening(t, used); err != nil {
		t.Errorf("after its owner has ended: %v", err)
	}
	if _, err := owner.AddBan(server.AddBanRequest{Target: "10.0.0.1"}); err == nil {
		t.Error("a server that has ended writes the file of another")
	}
}

// When the ban file cannot be written, bans and removals are in force at once, and the results, the list and an event
// say that they are not kept. They are when the file can be written again, at the latest when the server ends.
func TestBansHoldWithoutDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	g := start(t, server.Config{BanFile: file})
	g.ban(server.AddBanRequest{Target: "203.0.113.7"})
	p, q := g.open(), g.open()
	f := g.follow(event.Error)
	obstacle := filepath.Join(file, "full")
	if err := errors.Join(os.Remove(file), os.MkdirAll(obstacle, 0o700)); err != nil {
		t.Fatal(err)
	}
	kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Ban: time.Hour,
		Flush: time.Millisecond})
	if err != nil || kick.Kicked != 1 || len(kick.Banned) != 1 || !strings.Contains(kick.NotKept, file) {
		t.Errorf("Kick: %+v, %v", kick, err)
	}
	r := g.ban(server.AddBanRequest{Target: everybody})
	if r.Durable || !strings.Contains(r.Ban.NotKept, file) || r.Closed != 1 {
		t.Errorf("AddBan: %+v", r)
	}
	mustEnd(t, q)
	g.refused()
	removed, err := g.RemoveBan(server.RemoveBanRequest{Target: "203.0.113.7"})
	if err != nil || !strings.Contains(removed.NotKept, file) {
		t.Errorf("RemoveBan: %+v, %v", removed, err)
	}
	if bans := g.bans(); len(bans) != 2 || !strings.Contains(bans[0].NotKept, file) {
		t.Errorf("%+v", bans)
	}
	d := f.awaitType(event.Error, "").Detail.(*event.ErrorDetail)
	if d.Operation != event.OpBanFile || d.Count == 0 || !strings.Contains(d.Message, file) {
		t.Errorf("%+v", d)
	}
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	g.stop()
	if bans := bansOf(t, mustListen(t, file)); len(bans) != 2 {
		t.Errorf("after a restart: %+v", bans)
	}
}

// A reader finds the ban file whole at any moment, as after a crash at that moment.
func TestBanFileIsReplacedWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	s := mustListen(t, file)
	add := func(i int) {
		r := server.AddBanRequest{Target: fmt.Sprintf("10.0.%d.%d", i/256, i%256), Reason: strings.Repeat("why ", 60)}
		if _, err := s.AddBan(r); err != nil {
			t.Error(err)
		}
	}
	add(0)
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 1; i < 100; i++ {
			add(i)
		}
	})
	last := 1
	for last < 100 {
		n, err := server.DecodeBans([]byte(mustReadFile(t, file)))
		if err != nil || n < last {
			t.Fatalf("%d bans, %v, after one had %d", n, err, last)
		}
		last = n
	}
	writing.Wait()
}

// A symbolic link to the ban file stays a link.
func TestBanFileBehindLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	mustWriteFile(t, file, `{"version": 1, "bans": [{"target": "10.0.0.1"}]}`)
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	s := mustListen(t, link)
	if _, err := s.AddBan(server.AddBanRequest{Target: "10.0.0.2"}); err != nil {
		t.Fatal(err)
	}
	if n, err := server.DecodeBans([]byte(mustReadFile(t, file))); n != 2 || err != nil {
		t.Errorf("the file has %d bans, %v; expected 2", n, err)
	}
}

// A server keeps at most 10,000 bans. One of them can then be replaced, and one that is removed makes room.
func TestTooManyBans(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	var text strings.Builder
	text.WriteString(`{"version": 1, "bans": [{"target": "192.0.2.1", "expires_at": "2001-01-01T00:00:00Z"}`)
	for i := range server.MaxBans {
		fmt.Fprintf(&text, ",\n{\"target\": \"10.%d.%d.0/24\"}", i/256, i%256)
	}
	text.WriteString("]}")
	mustWriteFile(t, file, text.String())
	g := start(t, server.Config{BanFile: file})
	if bans := bansOf(t, g.Server); len(bans) != server.MaxBans {
		t.Fatalf("%d bans", len(bans))
	}
	p := g.open()
	if _, err := g.AddBan(server.AddBanRequest{Target: everybody}); !errors.Is(err, server.ErrTooManyBans) {
		t.Errorf("one more: %v", err)
	}
	if _, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Ban: time.Hour,
		Flush: time.Second}); !errors.Is(err, server.ErrTooManyBans) {
		t.Errorf("one more, by a kick: %v", err)
	}
	if r := g.ban(server.AddBanRequest{Target: "10.0.0.0/24"}); !r.Replaced {
		t.Errorf("%+v", r)
	}
	for i := range server.MaxBans {
		addr := netip.AddrFrom4([4]byte{10, byte(i / 256), byte(i % 256), byte(i)})
		if _, yes := g.Banned(addr, ""); !yes {
			t.Fatalf("%s is not banned", addr)
		}
	}
	if _, err := g.RemoveBan(server.RemoveBanRequest{Target: "10.0.0.0/24"}); err != nil {
		t.Error(err)
	}
	if r := g.ban(server.AddBanRequest{Target: everybody}); r.Closed != 1 {
		t.Errorf("%+v", r)
	}
}
