package server_test

import (
	"net"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A drain refuses a half admitted connection with SHUTDOWN. It is not in the drain's counts, makes few events, and does
// not hold up Serve.
func TestDrainRefusesPending(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyRequired),
			Limits: server.Limits{HandshakeTimeout: time.Hour}})
		f := g.follow(event.Refused, event.DrainStarted, event.DrainEnded, event.Connected)
		live := g.dial()
		mustWrite(t, live, []byte("PROXY UNKNOWN\r\n"))
		mustServe(t, live)
		f.awaitType(event.Connected, "")
		const half = 100
		var pending []net.Conn
		for range half {
			c := g.dial()
			mustWrite(t, c, []byte("PROXY TCP4"))
			pending = append(pending, c)
		}
		g.settlePending(half)
		if totals := g.info().Totals; totals.Connections != 1 || totals.Accepted != 1 ||
			g.info().Listeners[0].Connections != 1 {
			t.Errorf("%+v with %d half admitted and one live", totals, half)
		}
		if status := g.StartDrain(server.DrainRequest{Grace: time.Hour, Reason: "upgrade"}); status.Connections != 1 {
			t.Errorf("drain %+v; expected 1 connection", status)
		}
		for _, c := range pending {
			mustRefuse(t, c)
		}
		mustServe(t, live)
		live.Close()
		if err := g.wait(); err != nil {
			t.Error(err)
		}
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonShutdown: half})
		var counted uint64
		for events := 0; ; events++ {
			e := f.await("the drain", func(*event.Event) bool { return true })
			switch d := e.Detail.(type) {
			case *event.RefusedDetail:
				counted += d.Count
			case *event.DrainDetail:
				if e.Type == event.DrainStarted && (d.Connections != 1 || counted != half || events > 3) {
					t.Errorf("DRAIN_STARTED with %d connections behind %d events that tell of %d refusals", d.Connections, events,
						counted)
				}
				if e.Type == event.DrainEnded {
					if d.Ended != 1 || d.Closed != 0 {
						t.Errorf("DRAIN_ENDED %+v; expected one that ended", d)
					}
					return
				}
			}
		}
	})
}

// Connections whose headers arrive while a drain begins are served or refused, exactly once each, and Serve ends.
func TestDrainDuringAdmission(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for range 20 {
			g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyRequired)})
			var clients []net.Conn
			for range 20 {
				clients = append(clients, g.dial())
			}
			g.settlePending(len(clients))
			for i, c := range clients {
				mustWrite(t, c, []byte("PROXY UNKNOWN\r\n"))
				if i == len(clients)/2 {
					g.StartDrain(server.DrainRequest{})
				}
			}
			for _, c := range clients {
				c.Close()
			}
			if err := g.wait(); err != nil {
				t.Error(err)
			}
			if totals := g.info().Totals; totals.Accepted+totals.Refused != uint64(len(clients)) {
				t.Errorf("%d accepted and %d refused of %d", totals.Accepted, totals.Refused, len(clients))
			}
		}
	})
}

// A half admitted connection takes a place: a server can be full of them.
func TestPendingTakesPlace(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Listeners: proxyListener(server.ProxyOptional),
			Limits: server.Limits{MaxConnections: 2}})
		first, second := g.dial(), g.dial()
		g.settlePending(2)
		mustRefuse(t, g.dial())
		mustServe(t, first)
		mustRefuse(t, g.dial())
		second.Close()
		g.settlePending(0)
		g.settle(1)
		mustServe(t, g.dial())
		g.expectRefusals(map[server.CloseReason]uint64{event.ReasonConnectionLimit: 2})
	})
}
