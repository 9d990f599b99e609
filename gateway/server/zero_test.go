package server_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// The zero State selects live connections, in every request that has the field.
func TestZeroStateIsLive(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Closed)
	live, gone := g.open(), g.open()
	gone.Close()
	f.awaitType(event.Closed, gone.id)
	g.settle(1)
	page, err := g.List(t.Context(), server.ListRequest{Limit: 10})
	if err != nil || len(page.Connections) != 1 || page.Connections[0].ID() != live.id {
		t.Errorf("List: %d connections, %v; expected only the live one", len(page.Connections), err)
	}
	by, err := server.ParseGroupBy("state")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []server.CountRequest{{}, {By: by}, {Match: match(everything)}} {
		if n, err := g.Count(t.Context(), r); err != nil || n.Count != 1 {
			t.Errorf("Count %+v: %d, %v; expected 1", r, n.Count, err)
		}
	}
}

// The zero Limit means DefaultLimit rows, not one.
func TestZeroLimitIsTheDefault(t *testing.T) {
	g := start(t, server.Config{})
	for i := range server.DefaultLimit + 1 {
		g.open()
		if _, err := g.AddBan(server.AddBanRequest{Target: fmt.Sprintf("203.0.113.%d", i),
			Duration: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{0, -1} {
		page, err := g.List(t.Context(), server.ListRequest{Limit: limit})
		if err != nil || len(page.Connections) != server.DefaultLimit || page.Next == 0 {
			t.Errorf("List with Limit %d: %d rows, next %d, %v; expected %d and a next page", limit, len(page.Connections),
				page.Next, err, server.DefaultLimit)
		}
		bans, err := g.ListBans(server.ListBansRequest{Limit: limit})
		if err != nil || len(bans.Bans) != server.DefaultLimit || !bans.More {
			t.Errorf("ListBans with Limit %d: %d rows, more %v, %v; expected %d and more", limit, len(bans.Bans), bans.More, err,
				server.DefaultLimit)
		}
	}
}

// The zero UpdateLimitsRequest changes nothing and returns the limits in force.
func TestZeroChangeKeepsLimits(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{MaxConnections: 7}})
	l, err := g.UpdateLimits(server.UpdateLimitsRequest{})
	if err != nil || !reflect.DeepEqual(l, g.Limits()) || l.MaxConnections != 7 {
		t.Errorf("%+v, %v; expected %+v", l, err, g.Limits())
	}
}
