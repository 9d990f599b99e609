package server_test

import (
	"reflect"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// audit checks the invariants of a server's life after Serve has returned: the order and counts of events as the
// contract has them, and totals that are the sums of the connections.
func (g *gateway) audit() {
	t := g.t
	t.Helper()
	lives := make(map[uint64][]event.Event)
	sums := server.Totals{Closed: make(map[server.CloseReason]uint64), Refusals: make(map[server.CloseReason]uint64)}
	var live uint64
	events := g.events()
	for i, e := range events {
		if e.Sequence != events[0].Sequence+uint64(i) || e.Time.IsZero() {
			t.Errorf("audit: event %d is number %d, at %s", e.Sequence, i, e.Time)
		}
		if i > 0 && e.Time.Before(events[i-1].Time) {
			t.Errorf("audit: event %d is older than the one before", e.Sequence)
		}
		if e.Conn.Identity != nil {
			lives[e.Conn.Seq] = append(lives[e.Conn.Seq], e)
		}
		switch e.Type {
		case event.Connected:
			live++
			sums.Accepted++
		case event.Closed:
			live--
			sums.Closed[e.Conn.CloseReason]++
			sums.BytesReceived += e.Conn.BytesReceived
			sums.BytesSent += e.Conn.BytesSent
			sums.BytesUnsent += e.Conn.UnsentBytes
			sums.BytesDiscarded += e.Conn.DiscardedBytes
			if e.Conn.State != event.StateClosed || e.Conn.ClosedAt.IsZero() || e.Conn.QueuedBytes != 0 ||
				e.Conn.CloseReason == event.ReasonNone {
				t.Errorf("audit: CLOSED of %s has %+v", e.Conn.ID(), e.Conn)
			}
		case event.Refused:
			d := e.Detail.(*event.RefusedDetail)
			sums.Refused += d.Count
			sums.Refusals[d.Reason] += d.Count
			if d.Count == 0 || d.Message == "" || d.Remote == "" || d.Listener == "" {
				t.Errorf("audit: REFUSED %+v", d)
			}
		case event.Error:
			if d := e.Detail.(*event.ErrorDetail); d.Operation == event.OpAccept {
				sums.AcceptErrors += d.Count
			}
		}
		if (e.Type == event.Connected || e.Type == event.Closed) && e.Connections != live {
			t.Errorf("audit: %s of %s says that %d connections are live; expected %d", e.Type, e.Conn.ID(), e.Connections, live)
		}
	}
	if int(g.info().Config.EventLogSize) < len(events) || len(events) > 0 && events[0].Sequence != 1 {
		t.Fatalf("audit: the log is too short for the test")
	}
	for seq, life := range lives {
		auditLife(g, seq, life)
	}
	totals := g.info().Totals
	got := server.Totals{Accepted: totals.Accepted, Refused: totals.Refused, Refusals: totals.Refusals,
		AcceptErrors: totals.AcceptErrors, Closed: totals.Closed, BytesReceived: totals.BytesReceived,
		BytesSent: totals.BytesSent, BytesUnsent: totals.BytesUnsent, BytesDiscarded: totals.BytesDiscarded}
	if !reflect.DeepEqual(got, sums) {
		t.Errorf("audit: totals %+v; the events add up to %+v", got, sums)
	}
	if totals.UnacknowledgedBytes != 0 {
		t.Errorf("audit: %d bytes are counted as held, with no connection left", totals.UnacknowledgedBytes)
	}
	if totals.QueuedBytes != 0 {
		t.Errorf("audit: %d bytes are counted as queued, with no connection left", totals.QueuedBytes)
	}
	if totals.Connections != 0 || totals.Pending != 0 || live != 0 {
		t.Errorf("audit: %d connections are left, %d by the events; %d are pending", totals.Connections, live, totals.Pending)
	}
	if n := g.CountedAddresses(); n != 0 {
		t.Errorf("audit: connections of %d addresses and networks are counted after the end", n)
	}
	for _, l := range g.info().Listeners {
		if l.Open || l.Connections != 0 {
			t.Errorf("audit: listener %+v after the end", l)
		}
	}
}

// auditLife checks the events of one connection. CONNECTED comes first and CLOSED last, exactly once each, ENDED comes
// at most once, and pauses of one cause begin and end in turn.
func auditLife(g *gateway, seq uint64, life []event.Event) {
	var types []event.Type
	for _, e := range life {
		types = append(types, e.Type)
	}
	last := len(types) - 1
	ok := types[0] == event.Connected && types[last] == event.Closed && slices.Index(types, event.Closed) == last &&
		!slices.Contains(types[1:], event.Connected)
	paused, ended := make(map[event.PauseCause]bool), 0
	for _, e := range life {
		switch e.Type {
		case event.BackpressureOn, event.BackpressureOff:
			cause, on := e.Detail.(*event.PauseDetail).Cause, e.Type == event.BackpressureOn
			ok = ok && cause != 0 && paused[cause] != on
			paused[cause] = on
		case event.Ended:
			ended++
		}
	}
	if !ok || ended > 1 {
		g.t.Errorf("audit: connection %d had the events %v", seq, types)
	}
}
