package docs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/e2e/internal/table"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A fleet for the tables of sizes, with names, incarnations and numbers as they are after a month.
const (
	sizedLife  = "19ab0d3f1c2"
	sizedHead  = 10_000_000_000 // events
	sizedMonth = uint64(30 * 24 * time.Hour)
)

func sizedNode(i int) string { return fmt.Sprintf("edge-%04d", i) }

// routed is the size of a message between two NATS servers: RMSG, account, subject, length, line ends and payload.
func routed(subject string, payload int) int {
	return len(fmt.Sprintf("RMSG $G %s %d\r\n\r\n", subject, payload)) + payload
}

// heartbeat is a heartbeat as nodes send it.
func heartbeat() *fleetv1.Heartbeat {
	return &fleetv1.Heartbeat{Incarnation: sizedLife, Instance: make([]byte, 16),
		State: pb.NodeState_NODE_STATE_LIVE, Version: "v1.10.3", Connections: 1_000_000, EventHead: sizedHead,
		Stamp: sizedMonth, OldestEvent: sizedHead - 65_536}
}

// toAll is the size of the message that asks nodes for a broadcast of so many bytes of data.
func toAll(t *testing.T, nodes, data int) int {
	t.Helper()
	body, err1 := proto.Marshal(&pb.BroadcastRequest{Data: make([]byte, data), Filter: `labels["room"] == "7"`,
		RequestId: "7b7c4ff6-5f6c-4a6c-9f0e-2f4a9a1c1d11"})
	r := &fleetv1.Request{Method: "/sockgate.v1.GatewayService/Broadcast", Body: body,
		Caller: &fleetv1.Caller{Identity: "spiffe://example.org/ops/ann", Proof: "certificate", Role: "OPERATOR",
			Address: "10.0.0.9:41498"}}
	for i := range nodes {
		r.Targets = append(r.Targets, &fleetv1.Target{Node: sizedNode(i), Incarnation: sizedLife, Stamp: sizedMonth,
			Age: uint64(time.Second), Wait: uint64(5 * time.Second)})
	}
	request, err2 := proto.Marshal(r)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	envelope := &fleetv1.Envelope{Id: make([]byte, 16), Body: &fleetv1.Envelope_Request{Request: request}}
	return routed("sockgate.games.ask."+sizedNode(0)+"._all", proto.Size(envelope))
}

// answered is the size of one node's answer to a broadcast.
func answered(t *testing.T) int {
	t.Helper()
	body, err1 := proto.Marshal(&pb.BroadcastResponse{Matched: 1_000_000, Written: 999_000, Queued: 1_000})
	reply, err2 := proto.Marshal(&fleetv1.Reply{Incarnation: sizedLife, Status: pb.NodeStatus_NODE_STATUS_OK,
		Body: body})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	envelope := &fleetv1.Envelope{Id: make([]byte, 16), Body: &fleetv1.Envelope_Reply{Reply: reply}}
	return routed("sockgate.games.answer."+sizedNode(1)+"."+sizedNode(0), proto.Size(envelope))
}

// sizedConnection is a connection as lists and events have it, without TLS.
func sizedConnection() *pb.Connection {
	at := timestamppb.New(time.Date(2026, 11, 23, 15, 38, 29, 253_000_000, time.UTC))
	return &pb.Connection{Id: sizedNode(1) + "." + sizedLife + ".123456789", Node: sizedNode(1), Listener: "games",
		RemoteAddress: "203.0.113.7:40123", LocalAddress: "10.0.0.5:8017", ConnectedAt: at, LastActiveAt: at,
		BytesReceived: 123_456, BytesSent: 123_456,
		State: pb.ConnectionState_CONNECTION_STATE_OPEN, Labels: map[string]string{"room": "7"}}
}

// TestSizesOfFleets computes the tables of fleet.md from the messages themselves.
func TestSizesOfFleets(t *testing.T) {
	beat := routed("sockgate.games.beat."+sizedNode(1), proto.Size(heartbeat()))
	cursor := len(sizedNode(1) + "." + sizedLife + "@" + fmt.Sprint(sizedHead) + ",")
	row := proto.Size(sizedConnection())
	row += 1 + 2 // its tag and length in a page
	connected := proto.Size(&pb.Event{Node: sizedNode(1), Incarnation: sizedLife, Sequence: sizedHead,
		Time: timestamppb.New(time.Unix(1_795_000_000, 253_000_000)), Type: pb.EventType_EVENT_TYPE_CONNECTED,
		Connection: sizedConnection(),
		Details:    &pb.Event_Connected{Connected: &pb.ConnectedDetails{Connections: 1_000_000}}})
	var messages, fleets strings.Builder
	messages.WriteString("| message | bytes |\n|---|---|\n")
	for _, m := range []struct {
		what  string
		bytes int
	}{
		{"heartbeat, with what NATS puts around it", beat},
		{"a broadcast of 1 KiB to one node", toAll(t, 1, 1<<10)},
		{"each further node that is asked by the same message", (toAll(t, 1001, 1<<10) - toAll(t, 1, 1<<10)) / 1000},
		{"an answer to a broadcast", answered(t)},
		{"a row of a list: a connection with one label", row},
		{"a CONNECTED event", connected},
		{"a node's part of a cursor", cursor},
	} {
		fmt.Fprintf(&messages, "| %s | %d |\n", m.what, m.bytes)
	}
	fleets.WriteString("| nodes | heartbeats delivered | to each node | a broadcast of 1 KiB to all | its answers | a " +
		"cursor |\n|---|---|---|---|---|---|\n")
	for _, n := range []int{3, 20, 100, 1000} {
		delivered := float64(n*(n-1)) / 2 // each node sends one in 2 s, to all others
		fmt.Fprintf(&fleets, "| %s | %s/s, %s/s | %s/s | %s messages, %s | %s | %s |\n", grouped(n), grouped(int(delivered)),
			amount(delivered*float64(beat)), amount(float64(n-1)/2*float64(beat)), grouped(n-1),
			amount(float64((n-1)*toAll(t, n-1, 1<<10))),
			amount(float64((n-1)*answered(t))), amount(float64(n*cursor)))
	}
	table.Compare(t, "gateway/docs/fleet.md", "sizes",
		map[string]string{"messages": messages.String(), "fleets": fleets.String()})
}

// grouped writes a number with commas.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// amount writes bytes with two digits below 10, and without decimals from there on.
func amount(bytes float64) string {
	units := []string{"B", "KB", "MB", "GB"}
	for bytes >= 1000 && len(units) > 1 {
		bytes, units = bytes/1000, units[1:]
	}
	if bytes < 10 {
		return fmt.Sprintf("%.1f %s", bytes, units[0])
	}
	return fmt.Sprintf("%.0f %s", bytes, units[0])
}
