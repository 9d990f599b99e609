package server_test

import (
	"errors"
	"math"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A limit out of its bounds is refused with the field's name in the contract, and no limit has changed then.
func TestLimitBounds(t *testing.T) {
	g := start(t, server.Config{})
	before := g.Limits()
	bounds := map[string][]func(*server.Limits){
		"max_connections": {func(l *server.Limits) { l.MaxConnections = -1 },
			func(l *server.Limits) { l.MaxConnections = math.MaxInt32 + 1 }},
		"listener_connections": {func(l *server.Limits) { l.ListenerConnections = map[string]int{"other": 1} },
			func(l *server.Limits) { l.ListenerConnections = map[string]int{"main": -1} }},
		"connections_per_ip":           {func(l *server.Limits) { l.ConnectionsPerIP = -1 }},
		"connections_per_ipv6_network": {func(l *server.Limits) { l.ConnectionsPerIPv6Network = -1 }},
		"accept_rate": {func(l *server.Limits) { l.AcceptRate = -1 }, func(l *server.Limits) { l.AcceptRate = math.NaN() },
			func(l *server.Limits) { l.AcceptRate = math.Inf(1) }, func(l *server.Limits) { l.AcceptRate = 1e6 + 1 }},
		"accept_burst": {func(l *server.Limits) { l.AcceptBurst = -1 },
			func(l *server.Limits) { l.AcceptBurst = 1_000_001 }},
		"accept_rate_per_ip":   {func(l *server.Limits) { l.AcceptRatePerIP = math.NaN() }},
		"accept_burst_per_ip":  {func(l *server.Limits) { l.AcceptBurstPerIP = -1 }},
		"receive_rate":         {func(l *server.Limits) { l.ReceiveRate = -1 }},
		"receive_message_rate": {func(l *server.Limits) { l.ReceiveMessageRate = -1 }},
		"handshake_timeout": {func(l *server.Limits) { l.HandshakeTimeout = time.Microsecond },
			func(l *server.Limits) { l.HandshakeTimeout = 2 * time.Hour }},
		"max_handshakes":     {func(l *server.Limits) { l.MaxHandshakes = -1 }},
		"first_byte_timeout": {func(l *server.Limits) { l.FirstByteTimeout = -1 }},
		"allow": {func(l *server.Limits) { l.Allow = make([]netip.Prefix, 1) },
			func(l *server.Limits) { l.Allow = make([]netip.Prefix, 10_001) }},
		"deny":         {func(l *server.Limits) { l.Deny = make([]netip.Prefix, 1) }},
		"queue_budget": {func(l *server.Limits) { l.QueueBudget = -1 }},
		"high_water":   {func(l *server.Limits) { l.HighWater = -1 }},
		"low_water":    {func(l *server.Limits) { l.LowWater = l.HighWater + 1 }},
		"send_queue_limit": {func(l *server.Limits) { l.SendQueueLimit = 1 },
			func(l *server.Limits) { l.HighWater = 2 << 20 }},
		"write_timeout": {func(l *server.Limits) { l.WriteTimeout = -1 }},
		"idle_timeout":  {func(l *server.Limits) { l.IdleTimeout = -1 }},
		"hold_timeout": {func(l *server.Limits) { l.HoldTimeout = server.NoHold - 1 },
			func(l *server.Limits) { l.HoldTimeout = time.Hour + 1 }},
		"max_held": {func(l *server.Limits) { l.MaxHeld = -1 }},
		"admit_timeout": {func(l *server.Limits) { l.AdmitTimeout = time.Microsecond },
			func(l *server.Limits) { l.AdmitTimeout = time.Hour + 1 }},
		"handler_window": {func(l *server.Limits) { l.HandlerWindow = 4<<10 - 1 },
			func(l *server.Limits) { l.HandlerWindow = 1<<20 + 1 }},
		"handler_budget": {func(l *server.Limits) { l.HandlerBudget = -1 }},
	}
	if n := reflect.TypeFor[server.Limits]().NumField(); len(bounds) != n {
		t.Errorf("this test tries the bounds of %d limits of %d", len(bounds), n)
	}
	for field, changes := range bounds {
		for i, change := range changes {
			_, err := g.UpdateLimits(server.UpdateLimitsRequest{Change: func(l *server.Limits) {
				l.MaxConnections = 7 // is not to change either
				change(l)
			}})
			var limit *server.LimitError
			if !errors.As(err, &limit) || limit.Field != field || !strings.Contains(limit.Text, "expected") {
				t.Errorf("%s, change %d: %v; expected an error about that field", field, i, err)
			}
		}
	}
	if after := g.Limits(); !reflect.DeepEqual(after, before) {
		t.Errorf("limits %+v after errors; expected %+v", after, before)
	}
	for _, e := range g.events() {
		if e.Type == event.Control {
			t.Errorf("CONTROL %+v of a change that was refused", e.Detail)
		}
	}
}

// A limit that depends on another follows it unless it is changed itself, and a limit that becomes 0 gets its default.
func TestDependentLimits(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{AcceptRate: 2.5, AcceptBurstPerIP: 9}})
	type values struct{ low, burst, burstPerIP int }
	for i, c := range []struct {
		change func(*server.Limits)
		want   values
	}{
		{func(l *server.Limits) {}, values{32 << 10, 3, 9}},
		{func(l *server.Limits) { l.HighWater = 128 << 10 }, values{32 << 10, 3, 9}},
		{func(l *server.Limits) { l.HighWater = 1000 }, values{500, 3, 9}},
		{func(l *server.Limits) { l.HighWater, l.LowWater = 400, 100 }, values{100, 3, 9}},
		{func(l *server.Limits) { l.AcceptRate, l.AcceptRatePerIP = 10, 4 }, values{100, 10, 9}},
		{func(l *server.Limits) { l.AcceptRate, l.AcceptBurstPerIP = 0, 0 }, values{100, 0, 4}},
		{func(l *server.Limits) { l.AcceptRate, l.AcceptBurst = 1, 50 }, values{100, 50, 4}},
		{func(l *server.Limits) { l.AcceptRate = 2 }, values{100, 50, 4}},
		{func(l *server.Limits) { l.LowWater = 0 }, values{200, 50, 4}},
	} {
		l := g.update(c.change)
		if got := (values{l.LowWater, l.AcceptBurst, l.AcceptBurstPerIP}); got != c.want {
			t.Errorf("change %d: %+v; expected %+v", i, got, c.want)
		}
	}
	l := g.update(func(l *server.Limits) { l.HandshakeTimeout, l.MaxHandshakes = 0, 0 })
	if l.HandshakeTimeout != 10*time.Second || l.MaxHandshakes != 1024 {
		t.Errorf("defaults %s and %d", l.HandshakeTimeout, l.MaxHandshakes)
	}
	if info := g.info(); !reflect.DeepEqual(info.Config.Limits, l) {
		t.Errorf("Gateway says %+v; expected the limits in force", info.Config.Limits)
	}
}

// An event and the log record a change: its caller, the limits and their new values, with bounded words.
func TestLimitsAreRecorded(t *testing.T) {
	logged := &lines{}
	g := start(t, server.Config{Logger: hclog.New(&hclog.LoggerOptions{Output: logged})})
	f := g.follow(event.Control)
	changes := map[string]string{"max_connections": "7", "deny": strings.Repeat("203.0.113.0/24,", 1000)}
	if _, err := g.UpdateLimits(server.UpdateLimitsRequest{Changes: changes,
		Change: func(l *server.Limits) { l.MaxConnections = 7 },
		Actor:  event.Actor{Identity: "alice", Proof: "token", Role: "ADMIN", Address: "192.0.2.1:5"}}); err != nil {
		t.Fatal(err)
	}
	d := f.awaitType(event.Control, "").Detail.(*event.ControlDetail)
	if d.Verb != "UpdateLimits" || d.Actor.Identity != "alice" || d.Changes["max_connections"] != "7" ||
		len(d.Changes) != 2 || len(d.Changes["deny"]) != 256 {
		t.Errorf("CONTROL %+v", d)
	}
	text := logged.String()
	for _, word := range []string{"verb=UpdateLimits", "alice", "max_connections=7"} {
		if !strings.Contains(text, word) {
			t.Errorf("the log says %q, and not %q", text, word)
		}
	}
}

// lines keeps the lines of a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Concurrent changes are all carried out: none undoes another.
func TestConcurrentUpdates(t *testing.T) {
	g := start(t, server.Config{})
	var all sync.WaitGroup
	const updates = 50
	for range updates {
		// Yields, so that others come in between.
		all.Go(func() { g.update(func(l *server.Limits) { l.MaxConnections++; runtime.Gosched() }) })
		all.Go(func() { g.update(func(l *server.Limits) { l.ConnectionsPerIP++; runtime.Gosched() }) })
	}
	all.Wait()
	if l := g.Limits(); l.MaxConnections != updates || l.ConnectionsPerIP != updates {
		t.Errorf("%d and %d after %d changes by one of each", l.MaxConnections, l.ConnectionsPerIP, updates)
	}
}

// An idle timeout that is set, shortened or lifted applies to the connections that are there.
func TestIdleTimeoutSetLive(t *testing.T) {
	t.Parallel()
	g := start(t, server.Config{IdleAction: server.IdleNotify})
	f := g.follow(event.IdleTimeout)
	c := g.open()
	g.update(func(l *server.Limits) { l.IdleTimeout = 50 * time.Millisecond })
	if d := f.awaitType(event.IdleTimeout, c.id).Detail.(*event.IdleDetail); d.Idle < 50*time.Millisecond {
		t.Errorf("idle for %s", d.Idle)
	}
	g.update(func(l *server.Limits) { l.IdleTimeout = time.Hour })
	mustServe(t, c)
	g.update(func(l *server.Limits) { l.IdleTimeout = 20 * time.Millisecond })
	f.awaitType(event.IdleTimeout, c.id)
}

// A live change of a queue's marks applies to the connections that are there.
func TestHighWaterSetLive(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.BackpressureOn)
	c := g.open()
	g.stuff(c.id)
	if info := g.get(c.id); !info.ReadPaused {
		t.Fatalf("%d bytes are queued and reading goes on", info.QueuedBytes)
	}
	f.awaitType(event.BackpressureOn, c.id)
	g.update(func(l *server.Limits) { l.SendQueueLimit = l.HighWater })
	if r := g.send(c.id, make([]byte, 1<<20), 0); r.Outcome != server.OutcomeDroppedQueueFull {
		t.Errorf("Send: %s; expected that the new limit holds", r.Outcome)
	}
}
