package control_test

import (
	"io"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestShutdown follows a drain. The answer comes at once, another call joins, and the earlier deadline holds.
// Connections are closed, and streams get every event and end with OK.
func TestShutdown(t *testing.T) {
	g := gatewaytest.Start(t)
	f := follow(t, g, &pb.StreamEventsRequest{})
	conn, id := connect(t, g)
	leaver := dial(t, g)
	first, err := g.Client.Shutdown(patiently(t), &pb.ShutdownRequest{GracePeriod: period(24 * time.Hour),
		Reason: "update", Farewell: []byte("bye")})
	check(t, err)
	if first.GetJoined() || first.GetConnections() != 2 {
		t.Error(first)
	}
	expectRead(t, conn, "bye")
	expectRead(t, leaver, "bye")
	check(t, leaver.Close())
	f.until(closed)
	for _, grace := range []time.Duration{24 * time.Hour, 23 * time.Hour} {
		r, err := g.Client.Shutdown(patiently(t), &pb.ShutdownRequest{GracePeriod: period(grace), Reason: "another",
			Farewell: []byte("again")})
		check(t, err)
		expectRead(t, conn, "again")
		if earlier := r.GetDeadline().AsTime().Before(first.GetDeadline().AsTime()); !r.GetJoined() ||
			r.GetConnections() != 1 || earlier != (grace == 23*time.Hour) {
			t.Errorf("%v after %v", r, first)
		}
	}
	info, err := g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	if !info.GetDraining() || !info.GetDrainDeadline().AsTime().Before(first.GetDeadline().AsTime()) ||
		info.GetListeners()[0].GetOpen() {
		t.Error(info)
	}
	if _, err := netDial(t, g); err == nil {
		t.Error("the gateway accepts while it drains")
	}
	echo(t, conn, "still here")
	_, err = g.Client.Shutdown(patiently(t), &pb.ShutdownRequest{GracePeriod: period(0)})
	check(t, err)
	if left, err := io.ReadAll(conn); err != nil || len(left) != 0 {
		t.Errorf("read %q, %v", left, err)
	}
	check(t, conn.Close())
	events := f.rest()
	for len(events) > 0 && events[0].GetType() != closed { // DRAIN_PROGRESS and CONTROL may come at any time
		events = events[1:]
	}
	expectTypes(t, events, closed, drainEnded)
	if c := events[0]; c.GetConnection().GetId() != id ||
		c.GetClosed().GetReason() != pb.CloseReason_CLOSE_REASON_SHUTDOWN ||
		c.GetConnection().GetCloseText() != "update" {
		t.Error(c)
	}
	if d := events[1].GetDrain(); d.GetEndedByThemselves() != 1 || d.GetClosedAtDeadline() != 1 ||
		d.GetConnections() != 0 || d.GetReason() != "update" {
		t.Error(d)
	}
	if sequence(t, f.cursor) != events[1].GetSequence() {
		t.Errorf("cursor %s behind %v", f.cursor, events[1])
	}
}

// TestGracePeriod checks which deadline a drain gets.
func TestGracePeriod(t *testing.T) {
	for _, c := range []struct {
		request *pb.ShutdownRequest
		want    time.Duration
	}{
		{&pb.ShutdownRequest{}, 5 * time.Hour}, // the gateway's default
		{&pb.ShutdownRequest{GracePeriod: period(0)}, time.Second},
		{&pb.ShutdownRequest{GracePeriod: period(2 * time.Hour)}, 2 * time.Hour},
	} {
		g := gatewaytest.Start(t, func(c *server.Config) { c.DrainTimeout = 5 * time.Hour })
		f := follow(t, g, &pb.StreamEventsRequest{After: "0"})
		f.until(listening)
		r, err := g.Client.Shutdown(patiently(t), c.request)
		check(t, err)
		events := f.rest()
		expectTypes(t, events, drainStarted, listenerClosed, controlled, drainEnded)
		started := events[0]
		grace := r.GetDeadline().AsTime().Sub(started.GetTime().AsTime())
		if (grace-c.want).Abs() > patience || !started.GetDrain().GetDeadline().AsTime().Equal(r.GetDeadline().AsTime()) {
			t.Errorf("%v: grace %s, %v", c.request, grace, started)
		}
		if d := events[2].GetControl(); d.GetVerb() != "Shutdown" || d.GetActor() == "" {
			t.Error(d)
		}
	}
}
