package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	listening        = pb.EventType_EVENT_TYPE_LISTENING
	connected        = pb.EventType_EVENT_TYPE_CONNECTED
	received         = pb.EventType_EVENT_TYPE_DATA
	ended            = pb.EventType_EVENT_TYPE_ENDED
	closed           = pb.EventType_EVENT_TYPE_CLOSED
	listenerClosed   = pb.EventType_EVENT_TYPE_LISTENER_CLOSED
	drainStarted     = pb.EventType_EVENT_TYPE_DRAIN_STARTED
	drainEnded       = pb.EventType_EVENT_TYPE_DRAIN_ENDED
	controlled       = pb.EventType_EVENT_TYPE_CONTROL
	present          = pb.EventType_EVENT_TYPE_PRESENT
	snapshotComplete = pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE
	gap              = pb.EventType_EVENT_TYPE_GAP
)

// expectTypes checks the types of events and their order.
func expectTypes(t testing.TB, events []*pb.Event, want ...pb.EventType) {
	t.Helper()
	if got := types(events); !slices.Equal(got, want) {
		t.Errorf("events %v; expected %v", got, want)
	}
}

// expectDense checks that the sequences of events are dense.
func expectDense(t testing.TB, events []*pb.Event) {
	t.Helper()
	for i, e := range events[1:] {
		if before := events[i]; e.GetSequence() != before.GetSequence()+1 {
			t.Errorf("%d %s after %d %s", e.GetSequence(), e.GetType(), before.GetSequence(), before.GetType())
		}
	}
}

// TestLife follows a connection from its beginning to its end, with every verb that was applied to it.
func TestLife(t *testing.T) {
	g := gatewaytest.Start(t)
	all := follow(t, g, &pb.StreamEventsRequest{After: "0"})
	conn, id := connect(t, g)
	_, err := g.Client.SetLabels(patiently(t), &pb.SetLabelsRequest{ConnectionIds: []string{id},
		Set: map[string]string{"room": "7"}})
	check(t, err)
	_, err = g.Client.Send(patiently(t), &pb.SendRequest{Id: id, Data: []byte("psst")})
	check(t, err)
	expectRead(t, conn, "psst")
	check(t, conn.Close())
	events := all.until(closed)
	expectTypes(t, events, listening, connected, controlled, controlled, ended, closed)
	expectDense(t, events)
	info, err := g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	for i, e := range events {
		if e.GetNode() != "test" || e.GetIncarnation() != info.GetIncarnation() || !e.GetTime().IsValid() ||
			e.GetSequence() != uint64(i+1) {
			t.Errorf("%v", e)
		}
		if about := e.GetType() == connected || e.GetType() == ended ||
			e.GetType() == closed; about != (e.GetConnection() != nil) || about && e.GetConnection().GetId() != id {
			t.Errorf("%s is about %v", e.GetType(), e.GetConnection())
		}
	}
	if l := events[0].GetListener(); l.GetName() != "main" || l.GetAddress() != g.Addr {
		t.Error(l)
	}
	if n := events[1].GetConnected().GetConnections(); n != 1 {
		t.Errorf("connected: %d", n)
	}
	labeled, sent := events[2].GetControl(), events[3].GetControl()
	if labeled.GetVerb() != "SetLabels" || labeled.GetActor() == "" ||
		!slices.Equal(labeled.GetConnectionIds(), []string{id}) || labeled.GetOutcomes()["LABELED"] != 1 {
		t.Error(labeled)
	}
	if sent.GetVerb() != "Send" || sent.GetDataBytes() != 4 || sent.GetMatched() != 1 ||
		sent.GetOutcomes()["WRITTEN"] != 1 || !strings.HasPrefix(sent.GetActor(), "127.0.0.1:") {
		t.Error(sent)
	}
	end := events[5]
	if c := end.GetConnection(); end.GetClosed().GetReason() != pb.CloseReason_CLOSE_REASON_PEER_CLOSED ||
		end.GetClosed().GetConnections() != 0 ||
		!end.GetClosed().GetLifetime().IsValid() || c.GetBytesReceived() != 2 || c.GetBytesSent() != 6 ||
		c.GetLabels()["room"] != "7" ||
		c.GetState() != pb.ConnectionState_CONNECTION_STATE_CLOSED || !c.GetClosedAt().IsValid() ||
		c.GetRemoteAddress() != conn.LocalAddr().String() ||
		c.GetLocalAddress() != g.Addr || c.GetListener() != "main" {
		t.Error(end)
	}
	got, err := g.Client.GetConnection(patiently(t), &pb.GetConnectionRequest{Id: id})
	check(t, err)
	if got.GetConnection().String() != end.GetConnection().String() {
		t.Errorf("remembered as %v; the event had %v", got.GetConnection(), end.GetConnection())
	}
}

// TestSelection checks that types and filter select the events.
func TestSelection(t *testing.T) {
	g := gatewaytest.Start(t)
	for _, c := range []struct {
		request *pb.StreamEventsRequest
		want    []pb.EventType
	}{
		{&pb.StreamEventsRequest{}, []pb.EventType{connected, controlled, ended, closed}},
		{&pb.StreamEventsRequest{Types: []pb.EventType{closed}}, []pb.EventType{closed}},
		{&pb.StreamEventsRequest{Types: []pb.EventType{closed, connected, closed, gap}}, []pb.EventType{connected, closed}},
		{&pb.StreamEventsRequest{Types: []pb.EventType{received, closed}}, []pb.EventType{closed}},
		{&pb.StreamEventsRequest{Types: []pb.EventType{closed}, IncludeData: true}, []pb.EventType{closed}},
		{&pb.StreamEventsRequest{IncludeData: true}, []pb.EventType{connected, received, controlled, ended, closed}},
		{&pb.StreamEventsRequest{IncludeData: true, Types: []pb.EventType{received, closed}},
			[]pb.EventType{received, closed}},
		{&pb.StreamEventsRequest{Filter: "true"}, []pb.EventType{connected, ended, closed}},
		{&pb.StreamEventsRequest{Filter: `labels["room"] == "7"`}, []pb.EventType{ended, closed}},
		{&pb.StreamEventsRequest{Filter: `labels["room"] == ""`, IncludeData: true}, []pb.EventType{connected, received}},
		{&pb.StreamEventsRequest{Filter: `state == "CLOSED"`}, []pb.EventType{closed}},
		{&pb.StreamEventsRequest{Snapshot: true}, []pb.EventType{snapshotComplete, connected, controlled, ended, closed}},
		{&pb.StreamEventsRequest{Snapshot: true, Types: []pb.EventType{ended}}, []pb.EventType{snapshotComplete, ended}},
		{&pb.StreamEventsRequest{Snapshot: true, Filter: "false"}, []pb.EventType{snapshotComplete}},
	} {
		f := follow(t, g, c.request)
		conn, id := connect(t, g)
		_, err := g.Client.SetLabels(patiently(t), &pb.SetLabelsRequest{ConnectionIds: []string{id},
			Set: map[string]string{"room": "7"}})
		check(t, err)
		whole := follow(t, g, &pb.StreamEventsRequest{})
		check(t, conn.Close())
		whole.until(closed)
		whole.cancel()
		var events []*pb.Event
		for len(events) < len(c.want) {
			events = append(events, f.next())
		}
		// An event that must not come would have come by now, because another connection's event has.
		expectTypes(t, append(events, f.queue...), c.want...)
		f.cancel()
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	const all = 600 // more than two batches
	for range all {
		dial(t, g)
	}
	f := follow(t, g, &pb.StreamEventsRequest{Snapshot: true, Types: []pb.EventType{closed},
		Filter: "bytes_received == 2"})
	if f.cursor != "" {
		t.Errorf("cursor %q before the snapshot is complete", f.cursor)
	}
	events := f.until(snapshotComplete)
	seen := make(map[string]bool)
	for _, e := range events[:len(events)-1] {
		if e.GetType() != present || e.GetConnection().GetState() != pb.ConnectionState_CONNECTION_STATE_OPEN {
			t.Fatal(e)
		}
		seen[e.GetConnection().GetId()] = true
	}
	last := events[len(events)-1]
	if len(seen) != all || len(events) != all+1 || last.GetSnapshotComplete().GetConnections() != all ||
		last.GetConnection() != nil {
		t.Errorf("%d connections in %d events: %v", len(seen), len(events), last)
	}
	if f.cursor == "" || last.GetSnapshotComplete().GetCursor() != f.cursor ||
		sequence(t, f.cursor) != last.GetSequence() {
		t.Errorf("cursor %q: %v", f.cursor, last)
	}
	_, err := g.Client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: []string{events[0].GetConnection().GetId()}})
	check(t, err)
	if e := f.next(); e.GetType() != closed || e.GetConnection().GetId() != events[0].GetConnection().GetId() ||
		e.GetClosed().GetReason() != pb.CloseReason_CLOSE_REASON_KICKED {
		t.Error(e)
	}
}

// TestData checks that DATA has the first bytes of each read, as many as the caller asked for.
func TestData(t *testing.T) {
	g := gatewaytest.Start(t)
	for _, c := range []struct{ most, sent, kept int }{{0, 1024, 1024}, {0, 1025, 1024}, {1, 5, 1}, {65536, 2000, 2000}} {
		f := follow(t, g, &pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: int32(c.most),
			Types: []pb.EventType{received}})
		conn := dial(t, g)
		first := f.until(received)
		if d := first[len(first)-1].GetData(); string(d.GetData()) != "hi"[:min(2, len(d.GetData()))] ||
			d.GetTotalBytes() != 2 {
			t.Error(d)
		}
		sent := fmt.Sprintf("%0*d", c.sent, 7)
		echo(t, conn, sent)
		var total, n int
		for total < c.sent {
			e := f.next()
			if d := e.GetData(); e.GetType() != received ||
				string(d.GetData()) != sent[total:total+min(int(d.GetTotalBytes()), c.kept)] {
				t.Fatal(e)
			}
			total += int(e.GetData().GetTotalBytes())
			n++
		}
		f.cancel()
		check(t, conn.Close())
	}
}

// TestHeavyData checks that the DATA that a slow reader still finds fits into responses of the size that a client
// accepts by default, and that the rest is a gap.
func TestHeavyData(t *testing.T) {
	g := gatewaytest.Start(t, func(c *server.Config) { c.Handler = handler.Sink{} })
	f := follow(t, g, &pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: 65536,
		Types: []pb.EventType{received, closed}})
	lifecycle := follow(t, g, &pb.StreamEventsRequest{Types: []pb.EventType{closed}})
	conn, err := netDial(t, g)
	check(t, err)
	const all = 24 << 20
	for sent := 0; sent < all; sent += 1 << 20 {
		_, err := conn.Write(data(1 << 20))
		check(t, err)
	}
	check(t, conn.Close())
	lifecycle.next()
	var bytes, missed uint64
	for {
		e := f.next()
		bytes += e.GetData().GetTotalBytes()
		if e.GetType() == gap {
			if e.GetGap().GetReason() != pb.GapReason_GAP_REASON_DATA_OVERFLOW || e.GetGap().GetDataEvents() == 0 ||
				e.GetGap().GetFrom() != 0 {
				t.Error(e)
			}
			missed += e.GetGap().GetDataEvents()
		}
		if e.GetType() == closed {
			break
		}
	}
	if bytes > all || bytes < all && missed == 0 {
		t.Errorf("%d bytes of %d and %d reads missed", bytes, all, missed)
	}
}

// TestCursor checks which cursors are accepted, and the error for each of the others.
func TestCursor(t *testing.T) {
	g := gatewaytest.Start(t)
	dial(t, g)
	info, err := g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	at := "test." + info.GetIncarnation() + "@"
	for _, c := range []string{"garbage", " 0", "00", "1", "-1", at, at + "x", at + "-1", at + "01", at + "99",
		at + "18446744073709551616", at + "1\n",
		"other." + info.GetIncarnation() + "@1", "test@1", "." + info.GetIncarnation() + "@1", text(4096)} {
		_, err := call(patiently(t), g.Client, &pb.StreamEventsRequest{After: c})
		expectFailure(t, err, failure{codes.InvalidArgument, "INVALID_CURSOR", "after"})
	}
	for _, c := range []struct {
		after string
		want  []pb.EventType
	}{
		{"0", []pb.EventType{listening, connected}},
		{at + "0", []pb.EventType{listening, connected}},
		{at + "1", []pb.EventType{connected}},
		{"test.1@12345", []pb.EventType{gap, listening, connected}},
		{"test.ffffffffffffffff@1", []pb.EventType{gap, listening, connected}},
	} {
		f := follow(t, g, &pb.StreamEventsRequest{After: c.after})
		events := f.until(connected)
		expectTypes(t, events, c.want...)
		if d := events[0].GetGap(); d != nil && (d.GetReason() != pb.GapReason_GAP_REASON_RESTARTED ||
			d.GetRequestedCursor() != c.after || d.GetFrom() != 0 || d.GetTo() != 0) {
			t.Error(d)
		}
		f.cancel()
	}
	f := follow(t, g, &pb.StreamEventsRequest{After: info.GetCursor()})
	if f.cursor != info.GetCursor() || len(f.queue) != 0 {
		t.Errorf("%v at %s behind %s", f.queue, f.cursor, info.GetCursor())
	}
}
