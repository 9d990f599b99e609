package server_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

func labels(n int) map[string]string {
	m := make(map[string]string)
	for i := range n {
		m[fmt.Sprint("k", i)] = "v"
	}
	return m
}

// Each step adds to the ones before it.
func TestSetLabels(t *testing.T) {
	g := start(t, server.Config{})
	p := g.open()
	for _, c := range []struct {
		name    string
		set     map[string]string
		remove  []string
		outcome server.Outcome
		want    map[string]string
	}{
		{"set", map[string]string{"room": "7"}, nil, server.OutcomeLabeled, map[string]string{"room": "7"}},
		{"replace and add", map[string]string{"room": "8", "role": ""}, nil, server.OutcomeLabeled,
			map[string]string{"room": "8", "role": ""}},
		{"remove, also what is not there", nil, []string{"room", "none"}, server.OutcomeLabeled,
			map[string]string{"role": ""}},
		{"remove the last", nil, []string{"role"}, server.OutcomeLabeled, nil},
		{"sixteen", labels(16), nil, server.OutcomeLabeled, labels(16)},
		{"one too many", map[string]string{"k0": "changed", "more": "v"}, nil, server.OutcomeTooManyLabels, labels(16)},
		{"one for another", map[string]string{"k16": "v"}, []string{"k0"}, server.OutcomeLabeled, func() map[string]string {
			m := labels(17)
			delete(m, "k0")
			return m
		}()},
		{"nothing", nil, nil, server.OutcomeLabeled, func() map[string]string {
			m := labels(17)
			delete(m, "k0")
			return m
		}()},
	} {
		before := g.get(p.id).Labels
		kept := maps.Clone(before)
		r, err := g.SetLabels(server.LabelRequest{Targets: server.IDs(p.id), Set: c.set, Remove: c.remove})
		if err != nil || len(r.Outcomes) != 1 || r.Outcomes[0].Outcome != c.outcome || r.Matched != 1 {
			t.Errorf("%s: %+v, %v; expected %s", c.name, r, err, c.outcome)
		}
		if got := g.get(p.id).Labels; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: labels %v; expected %v", c.name, got, c.want)
		}
		if !maps.Equal(before, kept) {
			t.Errorf("%s: changed labels that were published before", c.name)
		}
	}
}

func TestSetLabelsOfMany(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Closed, event.Control)
	a, full, gone := g.open(), g.open(), g.open()
	gone.Close()
	f.awaitType(event.Closed, gone.id)
	if _, err := g.SetLabels(server.LabelRequest{Targets: server.IDs(full.id), Set: labels(16),
		Actor: event.Actor{Identity: "bob"}}); err != nil {
		t.Fatal(err)
	}
	f.awaitType(event.Control, "")
	request := server.LabelRequest{Targets: server.IDs(gone.id, a.id, "?", full.id), Set: map[string]string{"new": "x"},
		Actor: event.Actor{Identity: "alice"}}
	r, err := g.SetLabels(request)
	want := server.LabelResult{Matched: 4, Labeled: 1, Closed: 1, NotFound: 1, Refused: 1,
		Outcomes: []server.TargetOutcome{
			{ID: gone.id, Outcome: server.OutcomeClosed}, {ID: a.id, Outcome: server.OutcomeLabeled},
			{ID: "?", Outcome: server.OutcomeMalformedID}, {ID: full.id, Outcome: server.OutcomeTooManyLabels}}}
	if err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("by ID: %+v, %v; expected %+v", r, err, want)
	}
	if d := f.awaitType(event.Control, "").Detail.(*event.ControlDetail); d.Verb != "SetLabels" || d.Matched != 4 ||
		len(d.Outcomes) != 4 || d.Actor.Identity != "alice" {
		t.Errorf("recorded as %+v", d)
	}
	request.Targets = server.Where(match(everything))
	r, err = g.SetLabels(request)
	want = server.LabelResult{Matched: 2, Labeled: 1, Refused: 1,
		Outcomes: []server.TargetOutcome{{ID: full.id, Outcome: server.OutcomeTooManyLabels}}}
	if err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("by filter: %+v, %v; expected %+v", r, err, want)
	}
	byLabel := g.list(server.ListRequest{Match: match(func(i *server.Connection) bool { return i.Labels["new"] == "x" })})
	if len(byLabel) != 1 || byLabel[0].ID() != a.id {
		t.Errorf("%d connections have the label; expected %s", len(byLabel), a.id)
	}
}

func TestConnSetLabel(t *testing.T) {
	conns := make(chan *server.Conn, 1)
	g := start(t, server.Config{Handler: &hooks{open: func(c *server.Conn) { conns <- c }}})
	g.open()
	c := <-conns
	for _, l := range []struct {
		key, value string
		ok         bool
	}{
		{"room", "7", true},
		{strings.Repeat("k", 63), strings.Repeat("v", 256), true},
		{"a.b_c-9", "", true},
		{"", "x", false},
		{strings.Repeat("k", 64), "x", false},
		{"Room", "x", false},
		{"röm", "x", false},
		{"a b", "x", false},
		{"k", strings.Repeat("v", 257), false},
		{"k", "\xff", false},
	} {
		if got := c.Label(l.key); got != "" {
			t.Errorf("Label(%q) is %q before it is set", l.key, got)
		}
		if err := c.SetLabel(l.key, l.value); (err == nil) != l.ok {
			t.Errorf("SetLabel(%q, %q): %v", l.key, l.value, err)
		}
		if got := c.Label(l.key); l.ok && got != l.value {
			t.Errorf("Label(%q) is %q; expected %q", l.key, got, l.value)
		}
	}
	for i := range 13 {
		if err := c.SetLabel(fmt.Sprint("k", i), "v"); err != nil {
			t.Error(err)
		}
	}
	if err := c.SetLabel("k13", "v"); !errors.Is(err, server.ErrTooManyLabels) {
		t.Errorf("a seventeenth: %v", err)
	}
}

// TestSetLabelsRefusesBadLabels holds that a label that is out of its bounds changes no connection.
func TestSetLabelsRefusesBadLabels(t *testing.T) {
	g := start(t, server.Config{})
	p := g.open()
	for key, value := range map[string]string{"": "v", "Room": "v", "room": "\xff",
		"long": strings.Repeat("x", server.MaxLabelValue+1)} {
		r, err := g.SetLabels(server.LabelRequest{Targets: server.All(), Set: map[string]string{"good": "v", key: value}})
		if err == nil || !strings.Contains(err.Error(), "expected a key") || r.Matched != 0 {
			t.Errorf("%q = %q: %+v, %v; expected an error", key, value, r, err)
		}
	}
	if got := g.get(p.id).Labels; len(got) != 0 {
		t.Errorf("labels %v; expected none", got)
	}
}
