package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Connections beyond the limit are closed at once, counted, and reported without a flood. When a connection closes,
// another may come.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	const limit, more = 3, 50
	g := start(t, server.Config{Limits: server.Limits{MaxConnections: limit}})
	f := g.follow(event.Refused, event.Closed)
	var inside []peer
	for range limit {
		inside = append(inside, g.open())
	}
	began := time.Now()
	for range more {
		c := g.dial()
		if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Fatalf("a connection beyond the limit: %v; expected its end", err)
		}
	}
	var told uint64
	events := 0
	for told < more {
		e := f.awaitType(event.Refused, "")
		d := e.Detail.(*event.RefusedDetail)
		if d.Reason != event.ReasonConnectionLimit || d.Listener != "main" || events == 0 && d.Count != 1 {
			t.Errorf("REFUSED %+v", d)
		}
		told += d.Count
		events++
	}
	if most := int(time.Since(began)/time.Second) + 1; events > most {
		t.Errorf("%d events in %s; expected one a second at most", events, time.Since(began))
	}
	if totals := g.info().Totals; totals.Refused != more || totals.Accepted != limit || totals.Connections != limit {
		t.Errorf("totals %+v; expected %d refused, %d accepted", totals, more, limit)
	}
	inside[0].Close()
	f.awaitType(event.Closed, inside[0].id)
	g.settle(limit - 1)
	f.sub.Close()
	c := g.open()
	mustWrite(t, c, []byte("hello"))
	mustRead(t, c, "hello")
}

// The log warns of a connection limit above the number of descriptors, at the start and when the limit changes.
func TestWarnsOfRoom(t *testing.T) {
	logged := &lines{}
	g := start(t, server.Config{Limits: server.Limits{MaxConnections: 200}, ConnectionDescriptors: 100,
		Logger: hclog.New(&hclog.LoggerOptions{Output: logged})})
	warnings := func() int { return strings.Count(logged.String(), "more connections are allowed than descriptors") }
	for warnings() == 0 { // the warning of the start
	}
	for i, limit := range []int{100, 0, 50, 101} {
		change := func(l *server.Limits) { l.MaxConnections = limit }
		if _, err := g.UpdateLimits(server.UpdateLimitsRequest{Change: change}); err != nil {
			t.Fatal(err)
		}
		if got, want := warnings(), []int{1, 2, 2, 3}[i]; got != want {
			t.Errorf("%d warnings after the limit %d; expected %d:\n%s", got, limit, want, logged)
		}
	}
}
