package server_test

import (
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Connections beyond the limit are closed at once, counted, and told of without a flood; when one goes, another may come.
func TestConnectionLimit(t *testing.T) {
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
