package control

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pbEvent converts an event of a node's log.
func pbEvent(e *event.Event, origin event.Origin) *pb.Event {
	out := &pb.Event{
		Node:        origin.Node,
		Incarnation: origin.Incarnation,
		Sequence:    e.Sequence,
		Time:        timestamp(e.Time),
		Type:        pb.EventType(e.Type),
		Connection:  connection(&e.Conn),
	}
	if e.Type == event.Connected {
		out.Details = &pb.Event_Connected{Connected: &pb.ConnectedDetails{Connections: e.Connections}}
	}
	setDetails(out, e)
	return out
}

func setDetails(out *pb.Event, e *event.Event) {
	switch d := e.Detail.(type) {
	case *event.ListenerDetail:
		out.Details = &pb.Event_Listener{Listener: &pb.ListenerDetails{Name: d.Name, Address: d.Address}}
	case *event.DataDetail:
		out.Details = &pb.Event_Data{Data: &pb.DataDetails{Data: d.Bytes, TotalBytes: uint64(d.Total)}}
	case *event.IdleDetail:
		out.Details = &pb.Event_IdleTimeout{IdleTimeout: &pb.IdleTimeoutDetails{Idle: durationpb.New(d.Idle),
			Closing: d.Closing}}
	case *event.PauseDetail:
		out.Details = &pb.Event_Backpressure{Backpressure: &pb.BackpressureDetails{Paused: durationpb.New(d.Paused),
			QueuedBytes: d.Queued, Cause: pb.BackpressureCause(d.Cause)}}
	case *event.ErrorDetail:
		out.Details = &pb.Event_Error{Error: &pb.ErrorDetails{Operation: pb.ErrorOperation(d.Operation),
			Message: contract.ValidText(d.Message), Count: d.Count,
			Listener: d.Listener}}
	case *event.ClosedDetail:
		out.Details = &pb.Event_Closed{Closed: &pb.ClosedDetails{Reason: pb.CloseReason(e.Conn.CloseReason),
			Lifetime:    durationpb.New(d.Lifetime),
			Connections: e.Connections, UnsentBytes: e.Conn.UnsentBytes, DiscardedBytes: e.Conn.DiscardedBytes}}
	case *event.DrainDetail:
		out.Details = &pb.Event_Drain{Drain: &pb.DrainDetails{Deadline: timestamp(d.Deadline), Connections: d.Connections,
			EndedByThemselves: d.Ended, ClosedAtDeadline: d.Closed, Reason: d.Reason}}
	case *event.ControlDetail:
		out.Details = &pb.Event_Control{Control: &pb.ControlDetails{Verb: d.Verb, Actor: d.Actor.Identity,
			Filter: d.Filter, ConnectionIds: d.IDs,
			Reason: d.Reason, RequestId: d.RequestID, Matched: d.Matched, Outcomes: d.Outcomes, DataBytes: d.DataBytes,
			SetLabels: d.Set, RemovedLabels: d.Removed, Proof: d.Actor.Proof, SourceAddress: d.Actor.Address, Role: d.Actor.Role,
			Changes: d.Changes, Ban: d.Ban, ViaNode: d.Actor.Via, Nodes: d.Nodes}}
	case *event.NodeDetail:
		out.Details = &pb.Event_Member{Member: &pb.NodeDetails{Node: d.Node.Node, Incarnation: d.Node.Incarnation,
			Version: d.Version,
			Message: d.Message, Connections: d.Connections, EventHead: d.Head, Count: d.Count}}
		if d.Silent != 0 {
			out.GetMember().Silent = durationpb.New(d.Silent)
		}
	case *event.RefusedDetail:
		out.Details = &pb.Event_Refused{Refused: &pb.RefusedDetails{Reason: pb.CloseReason(d.Reason),
			Listener: d.Listener, Count: d.Count,
			Message: d.Message, RemoteAddress: d.Remote}}
	case *event.GapDetail:
		out.Details = &pb.Event_Gap{Gap: &pb.GapDetails{From: d.From, To: d.To, Reason: pb.GapReason(d.Reason),
			RequestedCursor: d.Requested,
			DataEvents:      d.DataEvents}}
	case *event.HandlerDetail:
		out.Details = &pb.Event_Handler{Handler: &pb.HandlerDetails{Handler: d.Handler, Instance: d.Instance, Lane: d.Lane,
			Message: d.Message, Connections: d.Connections, Moved: d.Moved, Held: d.Held, Actor: d.Actor.Identity,
			Proof: d.Actor.Proof, SourceAddress: d.Actor.Address, Lanes: d.Lanes}}
	case *event.StalledDetail:
		out.Details = &pb.Event_Stalled{Stalled: &pb.StalledDetails{Instance: d.Instance,
			Stalled: durationpb.New(d.Stalled), UnacknowledgedBytes: d.Unacknowledged, Position: d.Position}}
	case *event.SnapshotDetail:
		out.Details = &pb.Event_SnapshotComplete{SnapshotComplete: &pb.SnapshotCompleteDetails{Connections: d.Connections,
			Cursor: d.Cursor.String()}}
	}
}

// anyText draws empty, short and long texts.
var anyText = rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringN(130, 300, -1))

var anyTime = rapid.Custom(func(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "zero") {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(-1<<32, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
})

var anyDuration = rapid.Map(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-2e9, 2e9)),
	func(n int64) time.Duration { return time.Duration(n) })

var anyAddress = rapid.SampledFrom([]netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:2"),
	netip.MustParseAddrPort("255.255.255.255:65535"),
	netip.MustParseAddrPort("[2001:db8::1]:2"), {}})

func anyTexts[V any](value *rapid.Generator[V]) *rapid.Generator[map[string]V] {
	return rapid.MapOfN(anyText, value, 0, 4)
}

var anyPeer = rapid.Custom(func(t *rapid.T) *event.Peer {
	if rapid.Bool().Draw(t, "unknown") {
		return nil
	}
	return &event.Peer{Proxy: anyAddress.Draw(t, "proxy"), TLSVersion: anyText.Draw(t, "version"),
		Cipher:   anyText.Draw(t, "cipher"),
		Protocol: anyText.Draw(t, "protocol"), ServerName: anyText.Draw(t, "server"), Identity: anyText.Draw(t, "identity")}
})

var anyConnection = rapid.Custom(func(t *rapid.T) event.Connection {
	if rapid.IntRange(0, 3).Draw(t, "none") == 0 {
		return event.Connection{}
	}
	return event.Connection{
		Identity: &event.Identity{Origin: &event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"},
			Seq: rapid.Uint64().Draw(t, "seq"),
			Listener: &event.Listener{Name: anyText.Draw(t, "listener"),
				Unix: rapid.SampledFrom([]string{"", "", "/run/a"}).Draw(t, "unix")},
			Remote: anyAddress.Draw(t, "remote"), Local: anyAddress.Draw(t, "local"), ConnectedAt: anyTime.Draw(t,
				"connected"), Peer: anyPeer.Draw(t, "peer")},
		LastActiveAt: anyTime.Draw(t, "active"), BytesReceived: rapid.Uint64().Draw(t,
			"received"), BytesSent: rapid.Uint64().Draw(t, "sent"),
		QueuedBytes: rapid.Uint64().Draw(t, "queued"), UnsentBytes: rapid.Uint64().Draw(t,
			"unsent"), DiscardedBytes: rapid.Uint64().Draw(t, "discarded"),
		Labels: anyTexts(anyText).Draw(t, "labels"), ClosedAt: anyTime.Draw(t, "closed"), CloseText: anyText.Draw(t,
			"text"), ClosedBy: anyText.Draw(t, "by"),
		State: event.State(rapid.IntRange(0, 5).Draw(t, "state")), CloseReason: event.CloseReason(rapid.IntRange(0,
			event.ReasonCount-1).Draw(t, "reason")),
		ReadPaused: rapid.Bool().Draw(t, "paused"), Instance: anyText.Draw(t, "instance"),
		Unacknowledged: rapid.Uint64().Draw(t, "unacknowledged"),
	}
})

// anyDetail draws every kind of detail, and nil.
var anyDetail = rapid.Custom(func(t *rapid.T) event.Detail {
	return rapid.SampledFrom(kinds(t)).Draw(t, "detail")
})

// kinds are one detail of each kind, and none.
func kinds(t *rapid.T) []event.Detail {
	number, text, list := rapid.Uint64().Draw(t, "number"), anyText.Draw(t, "text"), rapid.SliceOfN(anyText, 0,
		3).Draw(t, "list")
	return []event.Detail{
		nil,
		&event.ListenerDetail{Name: text, Address: anyText.Draw(t, "address")},
		&event.DataDetail{Bytes: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"),
			Total: rapid.IntRange(0, math.MaxInt).Draw(t, "total")},
		&event.IdleDetail{Idle: anyDuration.Draw(t, "idle"), Closing: rapid.Bool().Draw(t, "closing")},
		&event.PauseDetail{Paused: anyDuration.Draw(t, "paused"), Queued: number,
			Cause: event.PauseCause(rapid.IntRange(0, len(pb.BackpressureCause_name)-1).Draw(t, "cause"))},
		&event.ErrorDetail{Operation: event.Operation(rapid.IntRange(0, len(pb.ErrorOperation_name)-1).Draw(t,
			"operation")), Message: text, Count: number, Listener: anyText.Draw(t, "of")},
		&event.ClosedDetail{Lifetime: anyDuration.Draw(t, "lifetime")},
		&event.DrainDetail{Deadline: anyTime.Draw(t, "deadline"), Connections: number, Ended: rapid.Uint64().Draw(t, "ended"),
			Closed: rapid.Uint64().Draw(t, "closed"), Reason: text},
		&event.ControlDetail{Verb: text, Actor: event.Actor{Identity: anyText.Draw(t, "actor"),
			Proof: anyText.Draw(t, "proof"), Role: anyText.Draw(t, "role"), Address: anyText.Draw(t,
				"from"), Via: anyText.Draw(t, "via")}, Filter: anyText.Draw(t, "filter"), IDs: list,
			Reason:    anyText.Draw(t, "reason"),
			RequestID: anyText.Draw(t, "request"), Matched: number, Outcomes: anyTexts(rapid.Uint64()).Draw(t, "outcomes"),
			DataBytes: rapid.Uint64().Draw(t, "bytes"), Set: anyTexts(anyText).Draw(t,
				"set"), Removed: rapid.SliceOfN(anyText, 0, 3).Draw(t, "removed"),
			Changes: anyTexts(anyText).Draw(t, "changes"), Ban: anyText.Draw(t, "ban"), Nodes: anyTexts(anyText).Draw(t,
				"nodes")},
		&event.NodeDetail{Node: event.Origin{Node: anyText.Draw(t, "node"),
			Incarnation: anyText.Draw(t, "incarnation")}, Version: text,
			Message: anyText.Draw(t, "message"), Silent: anyDuration.Draw(t,
				"silent"), Connections: number, Head: rapid.Uint64().Draw(t, "head"), Count: rapid.Uint64().Draw(t, "count")},
		&event.RefusedDetail{Reason: event.CloseReason(rapid.IntRange(0, event.ReasonCount-1).Draw(t, "refusal")),
			Listener: text, Count: number,
			Message: anyText.Draw(t, "message"), Remote: anyText.Draw(t, "address")},
		&event.GapDetail{From: number, To: rapid.Uint64().Draw(t, "to"),
			Reason: event.GapReason(rapid.IntRange(0, len(pb.GapReason_name)-1).Draw(t, "why")), Requested: text,
			DataEvents: rapid.Uint64().Draw(t, "data")},
		&event.HandlerDetail{Handler: text, Instance: anyText.Draw(t, "instance"), Lane: number,
			Message: anyText.Draw(t, "message"), Connections: rapid.Uint64().Draw(t, "connections"),
			Moved: rapid.Uint64().Draw(t, "moved"), Held: rapid.Uint64().Draw(t, "held"),
			Actor: event.Actor{Identity: anyText.Draw(t, "actor"), Proof: anyText.Draw(t, "proof"),
				Address: anyText.Draw(t, "from")},
			Lanes: rapid.Uint32().Draw(t, "lanes")},
		&event.StalledDetail{Instance: text, Stalled: anyDuration.Draw(t, "stalled"), Unacknowledged: number,
			Position: rapid.Uint64().Draw(t, "position")},
		&event.SnapshotDetail{Connections: number, Cursor: event.Cursor{Origin: event.Origin{Node: "n",
			Incarnation: "1"}, Sequence: number}},
	}
}

// Every member of the contract's details is drawn, so that the encoding of each is compared.
func TestEveryDetailIsDrawn(t *testing.T) {
	missing := make(map[protoreflect.Name]bool)
	oneof := (&pb.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("details")
	for i := range oneof.Fields().Len() {
		missing[oneof.Fields().Get(i).Name()] = true
	}
	for _, d := range rapid.Custom(kinds).Example(1) {
		m := pbEvent(&event.Event{Type: event.Connected, Detail: d}, event.Origin{}).ProtoReflect()
		if f := m.WhichOneof(oneof); f != nil {
			delete(missing, f.Name())
		} else {
			t.Errorf("setDetails has no case for %T", d)
		}
	}
	for name := range missing {
		t.Errorf("kinds has no detail for the contract's %s", name)
	}
}

// TestEventEncoding checks that the encoded bytes of any event decode to the same message as its protobuf does.
func TestEventEncoding(t *testing.T) {
	origin := event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}
	encoder := wire.NewEventEncoder(origin)
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		want := &pb.StreamEventsResponse{}
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			e := &event.Event{Sequence: rapid.Uint64().Draw(t, "sequence"), Time: anyTime.Draw(t, "time"),
				Type: event.Type(rapid.IntRange(0, event.TypeCount-1).Draw(t, "type")), Conn: anyConnection.Draw(t, "connection"),
				Connections: rapid.Uint64().Draw(t, "connections"), Detail: anyDetail.Draw(t, "details")}
			b = encoder.AppendEvent(b, e)
			want.Events = append(want.Events, pbEvent(e, origin))
		}
		got := &pb.StreamEventsResponse{}
		if err := proto.Unmarshal(b, got); err != nil {
			t.Fatal(err)
		}
		encoded, err := proto.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != len(encoded) || !proto.Equal(got, want) {
			t.Fatalf("%d bytes:\n%v\nexpected %d:\n%v", len(b), got, len(encoded), want)
		}
	})
}

// TestEncodingIsText checks that texts from outside that are not UTF-8 do not spoil the response that they are in.
func TestEncodingIsText(t *testing.T) {
	const bad, good = "/run/\xff", "/run/\uFFFD"
	e := &event.Event{Type: event.Error, Conn: event.Connection{Identity: &event.Identity{Origin: &event.Origin{},
		Listener: &event.Listener{Name: bad, Unix: bad}},
		CloseText: bad, ClosedBy: bad, Instance: bad, Labels: map[string]string{bad: bad}},
		Detail: &event.ControlDetail{Verb: bad, IDs: []string{bad}}}
	got := &pb.StreamEventsResponse{}
	if err := proto.Unmarshal(wire.NewEventEncoder(event.Origin{}).AppendEvent(nil, e), got); err != nil {
		t.Fatal(err)
	}
	c := got.GetEvents()[0].GetConnection()
	for i, text := range []string{c.GetRemoteAddress(), c.GetLocalAddress(), c.GetListener(), c.GetCloseText(),
		c.GetClosedBy(), c.GetHandlerInstance(), c.GetLabels()[good]} {
		if text != good && text != "unix:"+good {
			t.Errorf("%d: %q", i, text)
		}
	}
}
