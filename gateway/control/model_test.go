package control_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// model is a client's view of the live connections, from a list or a snapshot and the events after it.
type model struct {
	t    testing.TB
	live map[string]bool
}

// apply takes note of an event. With seeAgain, a listed connection may be CONNECTED again, and a connection that closed
// while it was listed may be CLOSED without having been in the list.
func (m *model) apply(e *pb.Event, seeAgain bool) {
	m.t.Helper()
	id := e.GetConnection().GetId()
	switch e.GetType() {
	case pb.EventType_EVENT_TYPE_PRESENT, pb.EventType_EVENT_TYPE_CONNECTED:
		if m.live[id] && !seeAgain {
			m.t.Errorf("%s of %s, which is there", e.GetType(), id)
		}
		m.live[id] = true
	case pb.EventType_EVENT_TYPE_CLOSED:
		delete(m.live, id)
	case pb.EventType_EVENT_TYPE_GAP:
		m.t.Errorf("gap: %v", e)
	}
}

// catchUp applies events until the model is as new as the gateway was when it was called.
func (m *model) catchUp(f *follower, g *gatewaytest.Gateway, seeAgain bool) {
	m.t.Helper()
	info, err := g.Client.GetGateway(patiently(m.t), &pb.GetGatewayRequest{})
	check(m.t, err)
	for target := sequence(m.t, info.GetCursor()); len(f.queue) > 0 || sequence(m.t, f.cursor) < target; {
		if len(f.queue) == 0 {
			check(m.t, f.receive())
			continue
		}
		m.apply(f.next(), seeAgain)
	}
}

// expect checks that the model equals what the gateway lists now.
func (m *model) expect(g *gatewaytest.Gateway) {
	m.t.Helper()
	rows, _ := walk(m.t, g, &pb.ListConnectionsRequest{})
	for _, row := range rows {
		if !m.live[row.GetId()] {
			m.t.Errorf("%s was missed", row.GetId())
		}
		delete(m.live, row.GetId())
	}
	for id := range m.live {
		m.t.Errorf("%s is gone, which was missed", id)
	}
}

func sequence(t testing.TB, cursor string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(cursor[strings.LastIndexByte(cursor, '@')+1:], 10, 64)
	check(t, err)
	return n
}

// TestListThenStream checks that a client that lists, and then follows from the list's cursor, misses nothing.
func TestListThenStream(t *testing.T) {
	g := gatewaytest.Start(t)
	for range 20 {
		dial(t, g)
	}
	for range 3 {
		wait := churn(t, g)
		rows, cursor := walk(t, g, &pb.ListConnectionsRequest{PageSize: 5})
		m := &model{t: t, live: make(map[string]bool)}
		for _, row := range rows {
			m.live[row.GetId()] = true
		}
		f := follow(t, g, &pb.StreamEventsRequest{After: cursor})
		dial(t, g)
		wait()
		quiesce(t, g)
		m.catchUp(f, g, true)
		m.expect(g)
		f.cancel()
	}
}

// TestSnapshotUnderChurn checks that a snapshot and the events after it lose no connection and repeat none.
func TestSnapshotUnderChurn(t *testing.T) {
	g := gatewaytest.Start(t)
	for range 20 {
		dial(t, g)
	}
	for range 3 {
		wait := churn(t, g)
		var models []*model
		var followers []*follower
		for range 20 {
			_, err := netDial(t, g) // accepted while the snapshot is taken; it stays
			check(t, err)
			f := follow(t, g, &pb.StreamEventsRequest{Snapshot: true})
			m := &model{t: t, live: make(map[string]bool)}
			events := f.until(pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE)
			last := events[len(events)-1].GetSnapshotComplete()
			for _, e := range events {
				m.apply(e, false)
			}
			if last.GetConnections() != uint64(len(events)-1) || last.GetCursor() == "" {
				t.Errorf("%v after %d events", last, len(events)-1)
			}
			models, followers = append(models, m), append(followers, f)
		}
		wait()
		dial(t, g)
		quiesce(t, g)
		for i, m := range models {
			m.catchUp(followers[i], g, false)
			m.expect(g)
			followers[i].cancel()
		}
	}
}

// quiesce returns when the gateway too has closed the connections that the churn closed.
func quiesce(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	for {
		page, err := g.Client.ListConnections(patiently(t),
			&pb.ListConnectionsRequest{Filter: "bytes_received == 1 || state != 'OPEN'"})
		check(t, err)
		if len(page.GetConnections()) == 0 {
			return
		}
	}
}
