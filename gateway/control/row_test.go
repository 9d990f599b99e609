package control

import (
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestRows checks that a row that was encoded here decodes to the same message as a marshalled one, with every field
// set and with none.
func TestRows(t *testing.T) {
	origin := &event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}
	now := time.Date(2026, 3, 4, 10, 31, 2, 123, time.UTC)
	infos := []server.Connection{
		{
			Identity: &event.Identity{Origin: origin, Listener: &event.Listener{Name: "game"}, Seq: 1<<64 - 1, ConnectedAt: now,
				Remote: netip.MustParseAddrPort("[2001:db8::1%eth0]:65535"), Local: netip.MustParseAddrPort("[::ffff:10.1.2.3]:1")},
			LastActiveAt: now.Add(time.Second - 123), BytesReceived: 1, BytesSent: 1 << 63, QueuedBytes: 300,
			State: event.StateClosed, Labels: map[string]string{"room": "7", "empty": "", "long": string(make([]byte, 256))},
			ClosedAt: now.Add(time.Minute), CloseReason: event.ReasonKicked, CloseText: "not \xff UTF-8",
			ClosedBy: "ops", ReadPaused: true,
			UnsentBytes: 3, DiscardedBytes: 4, Instance: "pod-1", Unacknowledged: 65536,
		},
		{Identity: &event.Identity{Origin: origin, Listener: &event.Listener{Name: "local", Unix: "/run/game.sock"}, Seq: 1}},
		{Identity: &event.Identity{Origin: origin, Listener: &event.Listener{}, Seq: 2, ConnectedAt: time.Unix(-1, 5)}},
	}
	response := &pb.ListConnectionsResponse{TotalSize: 17, Cursor: "c"}
	if n := wire.SetRows(response, infos, noStep); n != len(infos) {
		t.Fatalf("%d rows; expected %d", n, len(infos))
	}
	encoded, err := proto.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	var got pb.ListConnectionsResponse
	if err := proto.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	want := &pb.ListConnectionsResponse{TotalSize: 17, Cursor: "c"}
	for i := range infos {
		want.Connections = append(want.Connections, connection(&infos[i]))
	}
	if !proto.Equal(&got, want) {
		t.Errorf("a client gets\n%v\nexpected\n%v", &got, want)
	}
	if canonical, _ := proto.Marshal(want); len(canonical) != len(encoded) {
		t.Errorf("%d bytes; expected %d", len(encoded), len(canonical))
	}
	if n := wire.SetRows(response, nil, noStep); n != 0 {
		t.Errorf("%d rows of none", n)
	}
}

func noStep() {}

// BenchmarkRows encodes a page of 1,000 rows.
func BenchmarkRows(b *testing.B) {
	infos := make([]server.Connection, 1000)
	identity := &event.Identity{Origin: &event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"},
		Listener: &event.Listener{Name: "game"}, Seq: 424242,
		ConnectedAt: time.Now(), Remote: netip.MustParseAddrPort("10.1.2.3:5678"),
		Local: netip.MustParseAddrPort("10.0.0.1:8017")}
	for i := range infos {
		infos[i] = server.Connection{Identity: identity, LastActiveAt: time.Now(), BytesReceived: 5000, BytesSent: 5000,
			State:  event.StateOpen,
			Labels: map[string]string{"room": "7", "tenant": "acme"}}
	}
	b.ReportAllocs()
	for b.Loop() {
		response := &pb.ListConnectionsResponse{}
		wire.SetRows(response, infos, noStep)
		if _, err := proto.Marshal(response); err != nil {
			b.Fatal(err)
		}
	}
}
