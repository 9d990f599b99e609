package control_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// noon is the time of every event in these tests.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func at(seconds int) *timestamppb.Timestamp {
	return timestamppb.New(noon.Add(time.Duration(seconds) * time.Second))
}

// whole is a connection whose fields are all set, each to another value.
var whole = server.Connection{
	Identity: &event.Identity{Origin: &event.Origin{Node: "n", Incarnation: "1"}, Listener: &event.Listener{Name: "l"},
		Seq:    7,
		Remote: netip.MustParseAddrPort("[2001:db8::1]:2"), Local: netip.MustParseAddrPort("10.0.0.1:3"), ConnectedAt: noon},
	LastActiveAt: noon.Add(time.Second), BytesReceived: 11, BytesSent: 12, QueuedBytes: 13, UnsentBytes: 14,
	DiscardedBytes: 15,
	Labels:         map[string]string{"k": "v"}, ClosedAt: noon.Add(2 * time.Second), CloseText: "why \xff",
	ClosedBy:    "who",
	State:       event.StateClosed,
	CloseReason: event.ReasonSlowConsumer, ReadPaused: true, Instance: "pod-1", Unacknowledged: 16,
}

var wholeMessage = &pb.Connection{Id: "n.1.7", Node: "n", Listener: "l", RemoteAddress: "[2001:db8::1]:2",
	LocalAddress: "10.0.0.1:3", ConnectedAt: at(0),
	LastActiveAt: at(1), BytesReceived: 11, BytesSent: 12, QueuedBytes: 13,
	State:  pb.ConnectionState_CONNECTION_STATE_CLOSED,
	Labels: map[string]string{"k": "v"}, ClosedAt: at(2), CloseReason: pb.CloseReason_CLOSE_REASON_SLOW_CONSUMER,
	CloseText: "why \uFFFD", ClosedBy: "who",
	ReadPaused: true, HandlerInstance: "pod-1", UnacknowledgedBytes: 16}

// fixed answers every call with values that all differ.
type fixed struct{ gateway }

var (
	targets = []server.TargetOutcome{{ID: "a", Outcome: server.OutcomeKickedUnflushed, Unsent: 9},
		{ID: "b", Outcome: server.OutcomeTooManyLabels}}
	outcomes = []*pb.TargetOutcome{{Id: "a", Outcome: pb.Outcome_OUTCOME_KICKED_UNFLUSHED, UnsentBytes: 9},
		{Id: "b", Outcome: pb.Outcome_OUTCOME_TOO_MANY_LABELS}}
)

func (fixed) Get(string) (server.Connection, error) { return whole, nil }

func (fixed) Send(context.Context, server.SendRequest) (server.SendResult, error) {
	return server.SendResult{Outcome: server.OutcomeDroppedQueueFull, Queued: 1, Unsent: 2}, nil
}

func (fixed) Broadcast(context.Context, server.BroadcastRequest) (server.BroadcastResult, error) {
	return server.BroadcastResult{Matched: 10, Written: 1, Queued: 2, Dropped: 3, Closed: 4, Failures: targets,
		Replayed: true}, nil
}

func (fixed) Kick(context.Context, server.KickRequest) (server.KickResult, error) {
	return server.KickResult{Outcomes: targets, Matched: 6, Kicked: 1, Closed: 2, NotFound: 3, Banned: []string{"b"},
		NotKept: "k"}, nil
}

func (fixed) SetLabels(server.LabelRequest) (server.LabelResult, error) {
	return server.LabelResult{Outcomes: targets, Matched: 10, Labeled: 1, Closed: 2, NotFound: 3, Refused: 4}, nil
}

func (fixed) StartDrain(server.DrainRequest) server.DrainStatus {
	return server.DrainStatus{Joined: true, Deadline: noon, Connections: 5}
}

func (fixed) Gateway() server.GatewayInfo {
	return server.GatewayInfo{Node: "n", Incarnation: "1", Version: "v", Engine: "e", StartedAt: noon, Uptime: time.Minute,
		Listeners: []server.ListenerInfo{{Name: "l", Address: "a", Handler: "h", Open: true, Connections: 3, TLS: true,
			ClientAuth: "request", Proxy: "optional", Framing: "length:2", MaxFrame: 18}},
		Config: server.Config{Limits: wholeLimits, IdleAction: server.IdleNotify, DrainTimeout: 7},
		Totals: server.Totals{Connections: 1, Accepted: 2, Refused: 3, AcceptErrors: 4,
			Closed:        map[server.CloseReason]uint64{event.ReasonKicked: 5},
			BytesReceived: 6, BytesSent: 7, BytesUnsent: 8, BytesDiscarded: 9, SendsDropped: 10, ReadPauses: 11,
			EventStreams: 12, EventsMissed: 13,
			Refusals: map[server.CloseReason]uint64{event.ReasonBanned: 14}, Pending: 15, QueuedBytes: 16, RatePauses: 17,
			HandlerPauses: 19, Held: 20, UnacknowledgedBytes: 21},
		Cursor: event.Cursor{Origin: event.Origin{Node: "n", Incarnation: "1"}, Sequence: 8}, OldestSequence: 9,
		EventLogSize: 10, Draining: true,
		DrainDeadline: noon.Add(time.Second), Process: server.ProcessInfo{ResidentBytes: 1, HeapBytes: 2, Goroutines: 3}}
}

// wholeLimits are limits that all differ.
var wholeLimits = server.Limits{MaxConnections: 1, HighWater: 2, LowWater: 3, SendQueueLimit: 4, WriteTimeout: 5,
	IdleTimeout:         6,
	ListenerConnections: map[string]int{"l": 11}, ConnectionsPerIP: 12, ConnectionsPerIPv6Network: 13, AcceptRate: 14.5,
	AcceptBurst: 15, AcceptRatePerIP: 16.5,
	AcceptBurstPerIP: 17, ReceiveRate: 18, ReceiveMessageRate: 19, HandshakeTimeout: 20, MaxHandshakes: 21,
	FirstByteTimeout: 22,
	Allow:            []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	Deny:             []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}, QueueBudget: 23,
	HoldTimeout: 24, MaxHeld: 25, AdmitTimeout: 26, HandlerWindow: 27, HandlerBudget: 28}

var wholeLimitsMessage = &pb.Limits{MaxConnections: 1, HighWater: 2, LowWater: 3, SendQueueLimit: 4,
	WriteTimeout: period(5), IdleTimeout: period(6),
	IdleAction: "notify", DrainTimeout: period(7), EventLogSize: 10, ListenerConnections: map[string]uint64{"l": 11},
	ConnectionsPerIp:          12,
	ConnectionsPerIpv6Network: 13, AcceptRate: 14.5, AcceptBurst: 15, AcceptRatePerIp: 16.5, AcceptBurstPerIp: 17,
	ReceiveRate: 18, ReceiveMessageRate: 19,
	HandshakeTimeout: period(20), MaxHandshakes: 21, FirstByteTimeout: period(22), Allow: []string{"10.0.0.0/8"},
	Deny: []string{"2001:db8::/32"}, QueueBudget: 23, HoldTimeout: period(24), MaxHeld: 25, AdmitTimeout: period(26),
	HandlerWindow: 27, HandlerBudget: 28}

func (fixed) Cursor() event.Cursor {
	return event.Cursor{Origin: event.Origin{Node: "n", Incarnation: "1"}, Sequence: 8}
}

func (fixed) Limits() server.Limits { return wholeLimits }

// wholeBan is a ban with every field set.
var (
	wholeBan = server.Ban{Target: "t", Identity: true, Reason: "r", CreatedBy: "c", CreatedAt: noon,
		ExpiresAt: noon.Add(time.Second), Refused: 9, NotKept: "k"}
	wholeBanMessage = &pb.Ban{Node: "n", Target: "t", Identity: true, Reason: "r", CreatedBy: "c", CreatedAt: at(0),
		ExpiresAt: at(1), Refused: 9, NotKeptReason: proto.String("k")}
)

func (fixed) AddBan(server.AddBanRequest) (server.AddBanResult, error) {
	return server.AddBanResult{Ban: wholeBan, Replaced: true, Durable: true, Closed: 4}, nil
}

func (fixed) ListBans(server.ListBansRequest) (server.BanPage, error) {
	return server.BanPage{Bans: []server.Ban{wholeBan}, Total: 5}, nil
}

func (fixed) RemoveBan(server.RemoveBanRequest) (server.Ban, error) {
	return wholeBan, nil
}

// TestConversion checks that every field of an answer arrives in its own place.
func TestConversion(t *testing.T) {
	conn, _ := serve(t, fixed{}, control.Config{})
	for _, c := range []struct{ request, want proto.Message }{
		{&pb.GetConnectionRequest{Id: oneID}, &pb.GetConnectionResponse{Connection: wholeMessage}},
		{&pb.SendRequest{Id: oneID, Data: data(1)}, &pb.SendResponse{Outcome: pb.Outcome_OUTCOME_DROPPED_QUEUE_FULL,
			QueuedBytes: 1, UnsentBytes: 2}},
		{&pb.BroadcastRequest{Data: data(1)}, &pb.BroadcastResponse{Matched: 10, Written: 1, Queued: 2, Dropped: 3,
			Closed: 4, Failures: outcomes, Replayed: true}},
		{&pb.KickRequest{Filter: "true"}, &pb.KickResponse{Outcomes: outcomes, Matched: 6, Kicked: 1, Closed: 2,
			NotFound: 3, Banned: []string{"b"}, NotKeptReason: proto.String("k")}},
		{&pb.SetLabelsRequest{Filter: "true", Set: labels(1)}, &pb.SetLabelsResponse{Outcomes: outcomes, Matched: 10,
			Labeled: 1, Closed: 2, NotFound: 3, Refused: 4}},
		{&pb.ShutdownRequest{}, &pb.ShutdownResponse{Joined: true, Deadline: at(0), Connections: 5}},
		{&pb.GetGatewayRequest{}, &pb.GetGatewayResponse{Node: "n", Incarnation: "1", Version: "v", StartedAt: at(0),
			Uptime: period(time.Minute),
			Listeners: []*pb.Listener{{Name: "l", Address: "a", Handler: "h", Open: true, Connections: 3, Tls: true,
				ClientAuth: "request", ProxyProtocol: "optional", Framing: "length:2", MaxFrameBytes: 18}},
			Limits: wholeLimitsMessage,
			Totals: &pb.Totals{Connections: 1, Accepted: 2, Refused: 3, AcceptErrors: 4,
				Closed: map[string]uint64{"KICKED": 5}, BytesReceived: 6,
				BytesSent: 7, BytesUnsent: 8, BytesDiscarded: 9, SendsDropped: 10, ReadPauses: 11, EventStreams: 12,
				EventsMissed: 13,
				Refusals:     map[string]uint64{"BANNED": 14}, Pending: 15, QueuedBytes: 16, RatePauses: 17,
				HandlerPauses: 19, Held: 20, UnacknowledgedBytes: 21},
			Cursor: "n.1@8", Draining: true, DrainDeadline: at(1), Engine: "e", OldestSequence: 9,
			Process: &pb.Process{ResidentBytes: 1, HeapBytes: 2, Goroutines: 3}}},
		{&pb.GetLimitsRequest{}, &pb.GetLimitsResponse{Limits: wholeLimitsMessage}},
		{&pb.AddBanRequest{Target: "192.0.2.1"}, &pb.AddBanResponse{Ban: wholeBanMessage, Replaced: true, Durable: true,
			Closed: 4}},
		{&pb.ListBansRequest{}, &pb.ListBansResponse{Bans: []*pb.Ban{wholeBanMessage}, TotalSize: 5}},
		{&pb.RemoveBanRequest{Target: "192.0.2.1"}, &pb.RemoveBanResponse{Ban: wholeBanMessage}},
		{&pb.ListNodesRequest{}, &pb.ListNodesResponse{Nodes: []*pb.Node{{Name: "n", Incarnation: "1",
			State: pb.NodeState_NODE_STATE_DRAINING, Version: "v",
			Connections: 1, EventHead: 8, Self: true, Uptime: period(time.Minute), Allowed: pb.Role_ROLE_ADMIN}}}},
	} {
		got, err := call(patiently(t), pb.NewGatewayServiceClient(conn), c.request)
		check(t, err)
		if g, ok := got.(*pb.GetGatewayResponse); ok { // the port differs each time
			if c := g.GetCaller(); !strings.HasPrefix(c.GetIdentity(), "127.0.0.1:") || c.GetProof() != "none" ||
				c.GetRole() != pb.Role_ROLE_ADMIN {
				t.Error(c)
			}
			g.Caller, g.Budgets = nil, nil // what the call itself holds differs each time
		}
		if !proto.Equal(got, c.want) {
			t.Errorf("%T:\n%v\nexpected\n%v", c.request, got, c.want)
		}
	}
}

// TestEventConversion checks the same for events of every kept type.
func TestEventConversion(t *testing.T) {
	drain := &event.DrainDetail{Deadline: noon, Connections: 1, Ended: 2, Closed: 3, Reason: "r"}
	drainMessage := &pb.Event_Drain{Drain: &pb.DrainDetails{Deadline: at(0), Connections: 1, EndedByThemselves: 2,
		ClosedAtDeadline: 3, Reason: "r"}}
	pause := &event.PauseDetail{Paused: time.Second, Queued: 5, Cause: event.CauseHandler}
	pauseMessage := &pb.Event_Backpressure{Backpressure: &pb.BackpressureDetails{Paused: period(time.Second),
		QueuedBytes: 5, Cause: pb.BackpressureCause_BACKPRESSURE_CAUSE_HANDLER}}
	listener := &event.ListenerDetail{Name: "l", Address: "a"}
	listenerMessage := &pb.Event_Listener{Listener: &pb.ListenerDetails{Name: "l", Address: "a"}}
	log := event.NewLog(event.Origin{Node: "n", Incarnation: "1"}, 256)
	var want []*pb.Event
	add := func(e event.Event, message *pb.Event) {
		e.Time = noon
		log.Append(&e)
		message.Node, message.Incarnation, message.Sequence, message.Time = "n", "1", uint64(len(want)+1), at(0)
		message.Type = pb.EventType(e.Type)
		if e.Conn.Identity != nil {
			message.Connection = wholeMessage
		}
		want = append(want, message)
	}
	add(event.Event{Type: event.Listening, Detail: listener}, &pb.Event{Details: listenerMessage})
	add(event.Event{Type: event.Connected, Conn: whole},
		&pb.Event{Details: &pb.Event_Connected{Connected: &pb.ConnectedDetails{Connections: 1}}})
	add(event.Event{Type: event.Connected, Conn: whole},
		&pb.Event{Details: &pb.Event_Connected{Connected: &pb.ConnectedDetails{Connections: 2}}})
	add(event.Event{Type: event.Ended, Conn: whole}, &pb.Event{})
	add(event.Event{Type: event.IdleTimeout, Conn: whole, Detail: &event.IdleDetail{Idle: time.Minute, Closing: true}},
		&pb.Event{Details: &pb.Event_IdleTimeout{IdleTimeout: &pb.IdleTimeoutDetails{Idle: period(time.Minute),
			Closing: true}}})
	add(event.Event{Type: event.BackpressureOn, Conn: whole, Detail: pause}, &pb.Event{Details: pauseMessage})
	add(event.Event{Type: event.BackpressureOff, Conn: whole, Detail: pause}, &pb.Event{Details: pauseMessage})
	add(event.Event{Type: event.Error, Detail: &event.ErrorDetail{Operation: event.OpLimit, Message: "m \xff", Count: 4,
		Listener: "l"}},
		&pb.Event{Details: &pb.Event_Error{Error: &pb.ErrorDetails{Operation: pb.ErrorOperation_ERROR_OPERATION_LIMIT,
			Message: "m \uFFFD", Count: 4, Listener: "l"}}})
	add(event.Event{Type: event.Closed, Conn: whole, Detail: &event.ClosedDetail{Lifetime: time.Hour}},
		&pb.Event{Details: &pb.Event_Closed{
			Closed: &pb.ClosedDetails{Reason: pb.CloseReason_CLOSE_REASON_SLOW_CONSUMER, Lifetime: period(time.Hour),
				Connections: 1, UnsentBytes: 14, DiscardedBytes: 15}}})
	add(event.Event{Type: event.ListenerClosed, Detail: listener}, &pb.Event{Details: listenerMessage})
	add(event.Event{Type: event.DrainStarted, Detail: drain}, &pb.Event{Details: drainMessage})
	add(event.Event{Type: event.DrainProgress, Detail: drain}, &pb.Event{Details: drainMessage})
	add(event.Event{Type: event.DrainEnded, Detail: drain}, &pb.Event{Details: drainMessage})
	add(event.Event{Type: event.Control, Detail: &event.ControlDetail{Verb: "v", Actor: event.Actor{Identity: "a"},
		Filter: "f", IDs: []string{"i"}, Reason: "r", RequestID: "q",
		Matched: 1, Outcomes: map[string]uint64{"WRITTEN": 2}, DataBytes: 3}},
		&pb.Event{Details: &pb.Event_Control{Control: &pb.ControlDetails{Verb: "v", Actor: "a", Filter: "f",
			ConnectionIds: []string{"i"}, Reason: "r", RequestId: "q",
			Matched: 1, Outcomes: map[string]uint64{"WRITTEN": 2}, DataBytes: 3}}})
	lane := &event.HandlerDetail{Handler: "h", Instance: "i", Lane: 1, Message: "m", Connections: 2, Moved: 3, Held: 4,
		Actor: event.Actor{Identity: "a", Proof: "token", Role: "none", Address: "f"}, Lanes: 5}
	laneMessage := &pb.Event_Handler{Handler: &pb.HandlerDetails{Handler: "h", Instance: "i", Lane: 1, Message: "m",
		Connections: 2, Moved: 3, Held: 4, Actor: "a", Proof: "token", SourceAddress: "f", Lanes: 5}}
	add(event.Event{Type: event.HandlerAttached, Detail: lane}, &pb.Event{Details: laneMessage})
	add(event.Event{Type: event.HandlerDetached, Detail: lane}, &pb.Event{Details: laneMessage})
	add(event.Event{Type: event.HandlerStalled, Conn: whole, Detail: &event.StalledDetail{Instance: "i",
		Stalled: time.Minute, Unacknowledged: 6, Position: 7}},
		&pb.Event{Details: &pb.Event_Stalled{Stalled: &pb.StalledDetails{Instance: "i", Stalled: period(time.Minute),
			UnacknowledgedBytes: 6, Position: 7}}})
	conn, _ := serve(t, logOnly{log: log}, control.Config{})
	log.Close()
	events := followClient(t, pb.NewGatewayServiceClient(conn), &pb.StreamEventsRequest{After: "0"}).rest()
	if len(events) != len(want) {
		t.Fatalf("%d events of %d", len(events), len(want))
	}
	for i, e := range events {
		if !proto.Equal(e, want[i]) {
			t.Errorf("\n%v\nexpected\n%v", e, want[i])
		}
	}
}
