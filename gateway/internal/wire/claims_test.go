package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var origin = event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}

// connections returns connections of a node, with every field that a row may have.
func connections(n int) (all []server.Connection) {
	for i := range n {
		all = append(all, server.Connection{Identity: &event.Identity{Origin: &origin,
			Listener: &event.Listener{Name: "game"}, Seq: uint64(i + 1), Remote: netip.MustParseAddrPort("192.0.2.1:5"),
			Local: netip.MustParseAddrPort("[2001:db8::1]:7"), ConnectedAt: time.Now(),
			Peer: &event.Peer{TLSVersion: "TLS 1.3", Identity: "line\nline"}},
			Labels: map[string]string{"room": "a\nb"}, LastActiveAt: time.Now(), BytesSent: 1 << 40, State: 1,
			CloseText: "\xff", Instance: "pod-1", Unacknowledged: 1 << 20})
	}
	return all
}

func encodedRows(t testing.TB, n int) []byte {
	t.Helper()
	r := &pb.ListConnectionsResponse{NextPageToken: "AbC-_", TotalSize: 7}
	wire.SetRows(r, connections(n), func() {})
	b, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestClaimsOfHonestNodes checks that everything that a node encodes about itself passes.
func TestClaimsOfHonestNodes(t *testing.T) {
	c := wire.NewClaims(origin)
	rows := (*pb.ListConnectionsResponse)(nil).ProtoReflect().Descriptor()
	if err := c.Check(rows, encodedRows(t, contract.MaxPage)); err != nil {
		t.Error(err)
	}
	if err := wire.NewClaims(event.Origin{Node: "edge-2", Incarnation: "1"}).Check(rows, encodedRows(t, 1)); err == nil {
		t.Error("rows of another node passed")
	}
	events, encoder := (*pb.StreamEventsResponse)(nil).ProtoReflect().Descriptor(), wire.NewEventEncoder(origin)
	for kind := event.Listening; kind < event.Type(event.TypeCount); kind++ {
		for _, d := range []event.Detail{nil, &event.IdleDetail{Idle: -time.Nanosecond}, &event.DrainDetail{},
			&event.SnapshotDetail{Cursor: event.Cursor{Origin: origin}}, &event.GapDetail{Requested: "edge-1.1@7"},
			&event.HandlerDetail{Handler: "jt808", Message: "\xff"}, &event.StalledDetail{Stalled: time.Minute}} {
			b := encoder.AppendEvent(nil, &event.Event{Type: kind, Time: time.Now(), Conn: connections(1)[0], Detail: d})
			if err := c.Check(events, b); err != nil {
				t.Errorf("%s with %T: %v", kind, d, err)
			}
		}
	}
}

// TestClaimsBoundMemory checks that a response that would take many times its size in memory does not pass, and neither
// does one that is larger than any.
func TestClaimsBoundMemory(t *testing.T) {
	c := wire.NewClaims(origin)
	holders := field(17, bytes.Repeat([]byte{0x42, 0}, 9000))
	described, _ := proto.Marshal(&pb.GetGatewayResponse{Node: origin.Node, Incarnation: origin.Incarnation})
	large := field(77, make([]byte, contract.MaxResponse+1<<17))
	for name, b := range map[string][]byte{
		"holders of many budgets": bytes.Repeat(holders, 100),
		"one budget of many":      holders,
		"unknown fields":          large,
	} {
		err := c.Check((*pb.GetGatewayResponse)(nil).ProtoReflect().Descriptor(), slices.Concat(described, b))
		if claim := (*wire.ClaimError)(nil); !errors.As(err, &claim) {
			t.Errorf("%s: %v", name, err)
		}
	}
	control := &pb.Event{Node: origin.Node, Incarnation: origin.Incarnation, Type: pb.EventType_EVENT_TYPE_CONTROL,
		Details: &pb.Event_Control{Control: &pb.ControlDetails{Nodes: make(map[string]string)}}}
	for i := range 1000 {
		control.GetControl().Nodes[fmt.Sprint("n", i)] = "OK"
	}
	r := &pb.StreamEventsResponse{Events: slices.Repeat([]*pb.Event{control}, contract.BatchSize)}
	b, _ := proto.Marshal(r)
	if err := c.Check(r.ProtoReflect().Descriptor(), b); err == nil {
		t.Errorf("%d bytes with 768,000 fields passed", len(b))
	}
}

// TestDetailsOfTypes checks that a type of event passes with the details that it has in the contract, and no others.
func TestDetailsOfTypes(t *testing.T) {
	members := (&pb.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("details").Fields()
	used := make(map[protowire.Number]bool)
	for kind := event.Listening; kind < event.Type(event.TypeCount); kind++ {
		var passed []protowire.Number
		for i := range members.Len() {
			number := members.Get(i).Number()
			b := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.VarintType), uint64(kind))
			if got, err := wire.CheckEvent(append(b, field(number, nil)...), 0); err == nil && got == kind {
				passed, used[number] = append(passed, number), true
			}
		}
		bare := kind == event.Ended || kind == event.Present
		if bare != (len(passed) == 0) || len(passed) > 1 {
			t.Errorf("%s passes with the details %v", kind, passed)
		}
	}
	for i := range members.Len() {
		if m := members.Get(i); !used[m.Number()] {
			t.Errorf("no type passes with the details %s", m.Name())
		}
	}
	for kind, want := range map[event.Type]protowire.Number{event.HandlerAttached: 23, event.HandlerDetached: 23,
		event.HandlerStalled: 24} {
		b := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.VarintType), uint64(kind))
		if _, err := wire.CheckEvent(append(b, field(want, nil)...), 0); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := wire.CheckEvent(append(b, field(47-want, nil)...), 0); err == nil {
			t.Errorf("%s passes with the details of the other", kind)
		}
	}
}

// TestClaimsOfInstances checks that a node lists only handlers and instances of its own.
func TestClaimsOfInstances(t *testing.T) {
	c := wire.NewClaims(origin)
	for _, node := range []string{origin.Node, "edge-2", ""} {
		for _, r := range []*pb.ListInstancesResponse{{Instances: []*pb.Instance{{Handler: "jt808", Instance: "one",
			Node: node}}},
			{Handlers: []*pb.HandlerStatus{{Handler: "jt808", Node: node}}}} {
			b, _ := proto.Marshal(r)
			if err := c.Check(r.ProtoReflect().Descriptor(), b); (err == nil) != (node == origin.Node) {
				t.Errorf("%v: %v", r, err)
			}
		}
	}
}

// field encodes a field that has a length.
func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// FuzzClaims checks that a response that passes decodes, and has only rows of its node.
func FuzzClaims(f *testing.F) {
	f.Add(encodedRows(f, 2))
	f.Add([]byte{0x0a, 0x02, 0x0a, 0x00})
	rows := (*pb.ListConnectionsResponse)(nil).ProtoReflect().Descriptor()
	f.Fuzz(func(t *testing.T, b []byte) {
		if wire.NewClaims(origin).Check(rows, b) != nil {
			return
		}
		r := new(pb.ListConnectionsResponse)
		if err := proto.Unmarshal(b, r); err != nil {
			t.Fatalf("passed, and does not decode: %v", err)
		}
		for _, c := range r.GetConnections() {
			if id, err := event.ParseID(c.GetId()); err != nil || id.Node != origin.Node || c.GetNode() != origin.Node {
				t.Fatalf("passed: %v", c)
			}
		}
	})
}

// BenchmarkClaims measures the check of a page of rows.
func BenchmarkClaims(b *testing.B) {
	rows := (*pb.ListConnectionsResponse)(nil).ProtoReflect().Descriptor()
	for _, n := range []int{1, 1000} {
		page, c := encodedRows(b, n), wire.NewClaims(origin)
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Check(rows, page); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
