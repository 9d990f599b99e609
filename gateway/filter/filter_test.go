package filter

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// noon is the clock of the tests.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// open returns an open connection with every field that an open connection can have.
func open() *event.Connection {
	return &event.Connection{
		Identity: &event.Identity{
			Origin:      &event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"},
			Listener:    &event.Listener{Name: "game"},
			Seq:         42,
			Remote:      netip.MustParseAddrPort("10.1.2.3:5678"),
			Local:       netip.MustParseAddrPort("[2001:db8::1]:8017"),
			ConnectedAt: noon.Add(-time.Hour),
			Peer: &event.Peer{
				Proxy: netip.MustParseAddrPort("[::ffff:192.0.2.7]:443"), TLSVersion: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256",
				Protocol: "mqtt", ServerName: "game.example.org", Identity: "spiffe://example.org/device/7",
			},
		},
		LastActiveAt:  noon.Add(-10 * time.Minute),
		BytesReceived: 5000,
		BytesSent:     1 << 40,
		QueuedBytes:   17,
		Labels:        map[string]string{"room": "7", "tenant": "acme", "empty": ""},
		State:         event.StateHalfClosedRemote,
		ReadPaused:    true,
		Instance:      "pod-1.eu",

		Unacknowledged: 65536,
	}
}

// closed returns the same connection nine minutes after it closed.
func closed() *event.Connection {
	info := open()
	info.State = event.StateClosed
	info.CloseReason = event.ReasonKicked
	info.ClosedAt = noon.Add(-9 * time.Minute)
	info.CloseText = "maintenance"
	info.ClosedBy = "ops@example.com"
	return info
}

// unix returns a connection of a unix socket without labels.
func unix() *event.Connection {
	info := open()
	identity := *info.Identity
	identity.Listener = &event.Listener{Name: "local", Unix: "/run/game.sock"}
	identity.Remote, identity.Local = netip.AddrPort{}, netip.AddrPort{}
	identity.Peer = nil
	info.Identity = &identity
	info.Labels = nil
	info.Instance, info.Unacknowledged = "", 0
	return info
}

// mapped returns a connection whose remote address is IPv4 in IPv6, as a listener on [::] gives it.
func mapped() *event.Connection {
	info := open()
	identity := *info.Identity
	identity.Remote = netip.MustParseAddrPort("[::ffff:10.1.2.3]:5678")
	identity.Local = netip.MustParseAddrPort("[fe80::1%eth0]:8017")
	info.Identity = &identity
	return info
}

func compiled(t testing.TB, expr string) *Filter {
	t.Helper()
	f, err := Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	if f.String() != expr {
		t.Fatalf("String() = %q, want %q", f, expr)
	}
	return f
}

func TestMatch(t *testing.T) {
	tests := []struct {
		info *event.Connection
		yes  []string
		no   []string
	}{
		{open(), openYes, openNo},
		{closed(), closedYes, closedNo},
		{unix(), unixYes, unixNo},
		{mapped(), mappedYes, mappedNo},
	}
	for _, test := range tests {
		for _, expr := range test.yes {
			if !compiled(t, expr).MatchAt(test.info, noon) {
				t.Errorf("%s does not match %s", expr, test.info.RemoteAddr())
			}
		}
		for _, expr := range test.no {
			if compiled(t, expr).MatchAt(test.info, noon) {
				t.Errorf("%s matches %s", expr, test.info.RemoteAddr())
			}
		}
	}
}

// Every variable and every kind of function is in these tables.
// A Yes table matches its connection, a No table does not.
var (
	openYes = []string{
		"", "true", "!false", "1 < 2", "// a comment\ntrue",
		`id == "edge-1.19ab0d3f1c2.42"`, `node == "edge-1"`, `listener == "game"`,
		`remote_address == "10.1.2.3:5678"`, `remote_ip == "10.1.2.3"`, `remote_port == 5678`,
		`local_address == "[2001:db8::1]:8017"`, `local_ip == "2001:db8::1"`, `local_port == 8017`,
		`connected_at == timestamp("2026-03-04T11:00:00Z")`, `last_active_at == timestamp("2026-03-04T11:50:00Z")`,
		`closed_at == timestamp("0001-01-01T00:00:00Z")`,
		`age == duration("1h")`, `idle == duration("10m")`, `idle < age`, `connected_at + age == last_active_at + idle`,
		`bytes_received == 5000`, `bytes_sent == 1099511627776`, `queued_bytes == 17`, `read_paused`,
		`bytes_received > 4999.5 && bytes_received < 5001u`,
		`state == "HALF_CLOSED_REMOTE"`, `close_reason == "UNSPECIFIED"`, `close_text == ""`, `closed_by == ""`,
		`tls_version == "TLS 1.3"`, `tls_cipher.startsWith("TLS_AES_")`, `tls_protocol == "mqtt"`,
		`tls_server_name.endsWith(".example.org")`,
		`peer_identity == "spiffe://example.org/device/7"`, `peer_identity.startsWith("spiffe://")`,
		`proxy_address == "[::ffff:192.0.2.7]:443"`, `proxy_ip == "192.0.2.7"`, `ip_in(proxy_ip, "192.0.2.0/24")`,
		`handler_instance == "pod-1.eu"`, `handler_instance.startsWith("pod-")`, `unacknowledged_bytes >= 65536`,
		`unacknowledged_bytes + queued_bytes == 65553`,
		// labels
		`labels["room"] == "7"`, `labels.room == "7"`, `labels["none"] == ""`, `labels.none == ""`, `labels[node] == ""`,
		`"room" in labels`, `!("none" in labels)`, `"empty" in labels`, `has(labels.room)`, `!has(labels.none)`,
		`has(labels.empty)`,
		`size(labels) == 3`, `labels == {"room": "7", "tenant": "acme", "empty": ""}`,
		`{"room": "7", "tenant": "acme", "empty": ""} == labels`, `labels != {"room": "7", "tenant": "acme", "none": ""}`,
		`{"room": "7", "tenant": "acme", "none": ""} != labels`,
		`labels.exists(k, k == "room")`, `labels.all(k, k.size() < 10)`, `labels.exists_one(k, labels[k] == "acme")`,
		`["x", "tenant"].exists(k, labels[k] == "acme")`, `labels["te" + "nant"] == "acme"`, `dyn(labels)["none"] == ""`,
		`!has(dyn(labels).none)`, `(read_paused ? labels : labels)["none"] == ""`, `labels.map(k, k).size() == 3`,
		`type(labels) == map`, `labels == labels`, `labels in [labels]`, `dyn(labels) != 1`,
		`{"a": labels}["a"]["none"] == ""`,
		`[labels].exists(l, l.room == "7" && l.none == "" && has(l.room) && !has(l.none))`,
		// strings
		`remote_ip.startsWith("10.")`, `remote_ip.endsWith(".3")`, `listener.contains("am")`, `id.matches("^edge-[0-9]+[.]")`,
		`matches(id, "42$")`, `listener.upperAscii() == "GAME"`, `id.split(".")[2] == "42"`, `listener.substring(1) == "ame"`,
		`listener.replace("g", "f") == "fame"`, `labels.tenant.indexOf("c") == 1`, `string(remote_port).contains("67")`,
		`int(labels.room) == 7`, `string(connected_at).startsWith("2026-03-04T11")`, `" x ".trim() == "x"`,
		// networks
		`ip_in(remote_ip, "10.0.0.0/8")`, `ip_in(remote_ip, "10.1.2.3")`, `ip_in(remote_ip, "10.1.2.3/8")`,
		`ip_in(local_ip, "2001:db8::/32")`, `ip_in(local_ip, "2001:db8::1")`, `!ip_in(local_ip, "10.0.0.0/8")`,
		`!ip_in(remote_ip, "::/0")`, `ip_in(remote_ip, "::ffff:10.0.0.0/104")`, `ip_in("192.0.2.1", "192.0.2.0/24")`,
		`ip_in(remote_ip, remote_ip)`, `ip_in(remote_ip, "10.1." + "0.0/16")`,
		`["10.0.0.0/8", "192.168.0.0/16"].exists(n, ip_in(remote_ip, n))`,
		`["192.0.2.1"].exists(remote_ip, ip_in(remote_ip, "192.0.2.0/24"))`,
		// times
		`connected_at.getHours() == 11`, `connected_at.getHours("+02:00") == 13`, `connected_at.getHours("Asia/Tokyo") == 20`,
		`connected_at < timestamp("2026-03-04T11:00:01Z")`, `age.getMinutes() == 60`, `age > duration("59m59.9s")`,
		// CEL
		`remote_port in [1, 5678]`, `node in ["edge-1", "edge-2"]`, `read_paused ? true : false`,
		`bytes_received % 1000 == 0`,
		`1 / 0 == 1 || true`,
	}
	openNo = []string{
		"false", "1 > 2", `remote_ip == "10.1.2.4"`, `!read_paused`, `idle > duration("10m")`, `labels["room"] == "8"`,
		// failures at run time
		`1 / 0 == 1`, `bytes_received / (queued_bytes - 17) == 1`, `bytes_received / (queued_bytes - 17) != 1`,
		`int(labels.tenant) == 7`, `int(labels.tenant) != 7`, `!ip_in(listener, "10.0.0.0/8")`, `!ip_in(remote_ip, listener)`,
		`id.split(".")[9] != ""`, `bytes_sent * bytes_sent * bytes_sent > 0`, `timestamp(listener) < connected_at`,
		`closed_at - connected_at < duration("1h")`,
		// a panic of CEL at run time
		`{bytes(node): 1} != {}`,
	}
	closedYes = []string{
		`state == "CLOSED"`, `close_reason == "KICKED"`, `close_text == "maintenance"`, `closed_by == "ops@example.com"`,
		`closed_at == timestamp("2026-03-04T11:51:00Z")`, `age == duration("51m")`, `idle == duration("1m")`,
		`closed_at - connected_at == age`,
	}
	closedNo = []string{`state == "OPEN"`, `close_reason == "UNSPECIFIED"`}
	unixYes  = []string{
		`remote_address == "unix:/run/game.sock"`, `local_address == "unix:/run/game.sock"`, `remote_ip == ""`,
		`local_ip == ""`,
		`remote_port == 0`, `local_port == 0`,
		`tls_version == "" && tls_cipher == "" && tls_protocol == "" && tls_server_name == ""`,
		`peer_identity == "" && proxy_address == "" && proxy_ip == ""`, `!ip_in(proxy_ip, "::/0")`,
		`handler_instance == "" && unacknowledged_bytes == 0`,
		`!ip_in(remote_ip, "0.0.0.0/0")`, `!ip_in(remote_ip, "::/0")`,
		`labels.room == ""`, `!has(labels.room)`, `!("room" in labels)`, `size(labels) == 0`, `labels == {}`,
		`labels.all(k, false)`,
	}
	unixNo    = []string{`has(labels.room)`, `ip_in(remote_ip, "0.0.0.0/0")`}
	mappedYes = []string{
		`remote_ip == "10.1.2.3"`, `remote_address == "[::ffff:10.1.2.3]:5678"`, `ip_in(remote_ip, "10.0.0.0/8")`,
		`ip_in("::ffff:10.1.2.3", "10.0.0.0/8")`, `local_ip == "fe80::1%eth0"`, `ip_in(local_ip, "fe80::/10")`,
		`ip_in(local_ip, "fe80::1")`, `ip_in(local_ip, local_ip)`,
	}
	mappedNo = []string{`ip_in(remote_ip, "::ffff:0:0/95")`}
)

func TestMatchCounterBeyondInt(t *testing.T) {
	info := open()
	info.BytesReceived, info.Unacknowledged = 1<<63, 1<<63
	if !compiled(t, `bytes_received == 9223372036854775807 && unacknowledged_bytes == bytes_received`).Match(info) {
		t.Error("a counter beyond the range of int is not the largest int")
	}
}

func TestMatchOfNoConnection(t *testing.T) {
	for _, info := range []*event.Connection{nil, {}} {
		for expr, want := range map[string]bool{"": true, "true": false, "1 == 1": false, `id == ""`: false} {
			if got := compiled(t, expr).Match(info); got != want {
				t.Errorf("%q matches no connection: %v", expr, got)
			}
		}
	}
	if zero := new(Filter); !zero.Match(nil) || zero.String() != "" {
		t.Error("the zero Filter is not the empty filter")
	}
}

// TestNoFilterSelectsAll holds that a nil *Filter in a Matcher, as a program without an expression has it, is the empty
// filter.
func TestNoFilterSelectsAll(t *testing.T) {
	var none *Filter
	var m server.Matcher = none
	if m.String() != "" || !m.MatchAt(&event.Connection{}, time.Time{}) || !none.Match(nil) {
		t.Errorf("%q does not select everything", m)
	}
}

func TestMatchReadsTheClock(t *testing.T) {
	info := open()
	info.ConnectedAt = time.Now().Add(-time.Hour)
	info.LastActiveAt = time.Now().Add(time.Hour)
	if !compiled(t, `age >= duration("1h") && age < duration("2h") && idle == duration("0s")`).Match(info) {
		t.Error("age and idle do not count up to now")
	}
}

func TestMatchKeepsNothing(t *testing.T) {
	f := compiled(t, `labels.room == "7"`)
	for i := range 100 {
		info := open()
		if i%2 == 1 {
			info.Labels = nil
		}
		if got, want := f.Match(info), i%2 == 0; got != want {
			t.Fatalf("match %d: %v", i, got)
		}
	}
}

func TestConcurrent(t *testing.T) {
	exprs := []string{
		`labels.room == "7"`, `ip_in(remote_ip, "10.0.0.0/8")`, `id.matches("^edge")`,
		`labels.exists(k, labels[k] == "acme")`,
		`age > duration("1m") && node in ["edge-1"]`,
	}
	shared := make([]*Filter, len(exprs))
	for i, expr := range exprs {
		shared[i] = compiled(t, expr)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			info := open()
			for range 50 {
				for _, f := range shared {
					if !f.MatchAt(info, noon) {
						t.Errorf("%s does not match", f)
					}
				}
			}
			for _, expr := range exprs {
				if _, err := Compile(expr); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestEveryVariableIsTested(t *testing.T) {
	all := strings.Join(openYes, " ") + strings.Join(closedYes, " ")
	for _, name := range variableNames() {
		if !strings.Contains(all, name) {
			t.Errorf("no test uses %s", name)
		}
	}
}
