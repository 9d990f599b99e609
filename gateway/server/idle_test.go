package server_test

import (
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

func TestIdleClose(t *testing.T) {
	const timeout = 100 * time.Millisecond
	g := start(t, server.Config{Limits: server.Limits{IdleTimeout: timeout}, CloseTimeout: 50 * time.Millisecond})
	f := g.follow(event.IdleTimeout, event.Closed)
	c := g.open()
	e := f.awaitType(event.IdleTimeout, c.id)
	if d := e.Detail.(*event.IdleDetail); d.Idle < timeout || !d.Closing || e.Time.Sub(e.Conn.ConnectedAt) < timeout {
		t.Errorf("idle for %s, closing %v; expected at least %s, and closing", d.Idle, d.Closing, timeout)
	}
	mustEnd(t, c)
	closed := f.awaitType(event.Closed, c.id).Conn
	if closed.CloseReason != event.ReasonIdleTimeout {
		t.Errorf("closed with %s; expected IDLE_TIMEOUT", closed.CloseReason)
	}
}

// With IdleNotify there is one event for each idle period, and the connection lives.
func TestIdleNotify(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{IdleTimeout: 50 * time.Millisecond}, IdleAction: server.IdleNotify})
	f := g.follow(event.IdleTimeout)
	quiet, c := g.open(), g.open()
	const periods = 3
	for range periods {
		f.awaitType(event.IdleTimeout, c.id)
		if state := g.get(c.id).State; state != event.StateOpen {
			t.Errorf("state %s after IDLE_TIMEOUT; expected OPEN", state)
		}
		mustWrite(t, c, []byte("awake"))
		mustRead(t, c, "awake")
	}
	f.awaitType(event.IdleTimeout, c.id)
	counts := make(map[string]int)
	for _, e := range g.events() {
		if e.Type == event.IdleTimeout {
			counts[e.Conn.ID()]++
		}
	}
	if counts[quiet.id] != 1 || counts[c.id] != periods+1 {
		t.Errorf("%d timeouts of the quiet connection and %d of the other; expected 1 and %d", counts[quiet.id], counts[c.id],
			periods+1)
	}
}

// A connection that only sends is not idle, and neither is one that only receives.
func TestTrafficIsNotIdle(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{IdleTimeout: 300 * time.Millisecond}, Handler: &hooks{}})
	f := g.follow(event.IdleTimeout)
	sender, receiver, quiet := g.open(), g.open(), g.open()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = sender.Write([]byte("x"))
				_, _ = g.Send(t.Context(), server.SendRequest{ID: receiver.id, Data: []byte("y")})
			}
		}
	}()
	e := f.awaitType(event.IdleTimeout, "")
	if e.Conn.ID() != quiet.id {
		t.Errorf("IDLE_TIMEOUT of %s; expected it of %s, which is quiet", e.Conn.ID(), quiet.id)
	}
	close(stop)
	<-stopped
}
