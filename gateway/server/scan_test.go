package server

import (
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// A closing connection moves from the registry to the remembered ones. It is at first closed and only in the registry,
// then in both, and then only remembered. A walk shows it exactly once at each of these moments.
func TestScanOfOneThatCloses(t *testing.T) {
	s, err := New(Config{Node: "test", Handler: echo{},
		Listeners: []ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	var conns []*Conn
	for range 5 {
		c := &Conn{owner: s.listeners[0], identity: &event.Identity{Origin: s.origin}}
		s.registry.Reserve(0)
		s.registry.Add(c)
		conns = append(conns, c)
	}
	expect := func(moment string, live, closed int) {
		t.Helper()
		for state, want := range map[ListState]int{ListLive: live, ListClosed: closed, ListAll: len(conns)} {
			page, err := s.List(t.Context(), ListRequest{Limit: 10, State: state})
			counted, _ := s.Count(t.Context(), CountRequest{State: state, Match: all{}})
			if err != nil || len(page.Connections) != want || int(counted.Count) != want {
				t.Errorf("%s: state %d has %d rows and counts %d, %v; expected %d", moment, state, len(page.Connections),
					counted.Count, err, want)
			}
		}
	}
	expect("before", 5, 0)
	conns[2].flags |= flagClosed
	expect("closed, and only in the registry", 4, 0)
	s.closed.Add(conns[2].Info())
	expect("closed, and in both", 4, 1)
	s.registry.Remove(3)
	expect("remembered", 4, 1)
}

type all struct{ Matcher }

func (all) MatchAt(*Connection, time.Time) bool { return true }
