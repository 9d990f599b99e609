package server_test

import (
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A verb without an Actor makes no CONTROL event, so that a program's own sends do not push the events of others out of
// the ring.
func TestRecordsNeedAnActor(t *testing.T) {
	for _, actor := range []event.Actor{{}, {Identity: "alice"}} {
		g := start(t, server.Config{})
		c := g.open()
		g.everyVerb(c.id, actor)
		got := 0
		for _, e := range g.events() {
			if e.Type == event.Control {
				got++
			}
		}
		want := 0
		if actor != (event.Actor{}) {
			want = 7
		}
		if got != want {
			t.Errorf("actor %q: %d CONTROL events; expected %d", actor.Identity, got, want)
		}
	}
}

// everyVerb calls each verb that changes something, once.
func (g *gateway) everyVerb(id string, actor event.Actor) {
	ctx, ids := g.t.Context(), []string{id}
	_, sent := g.Send(ctx, server.SendRequest{ID: id, Data: []byte("x"), Actor: actor})
	_, told := g.Broadcast(ctx, server.BroadcastRequest{Data: []byte("x"), Actor: actor})
	_, labeled := g.SetLabels(server.LabelRequest{Targets: server.IDs(ids...), Set: map[string]string{"a": "b"},
		Actor: actor})
	_, banned := g.AddBan(server.AddBanRequest{Target: "203.0.113.1", Actor: actor})
	_, unbanned := g.RemoveBan(server.RemoveBanRequest{Target: "203.0.113.1", Actor: actor})
	_, limited := g.UpdateLimits(server.UpdateLimitsRequest{Change: func(l *server.Limits) { l.MaxConnections = 9 },
		Actor: actor})
	_, kicked := g.Kick(ctx, server.KickRequest{Targets: server.IDs(ids...), Flush: time.Millisecond, Actor: actor})
	for _, err := range []error{sent, told, labeled, banned, unbanned, limited, kicked} {
		if err != nil {
			g.t.Error(err)
		}
	}
}
