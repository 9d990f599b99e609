package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const uuid = "123e4567-e89b-42d3-a456-426614174000"

// bound is a request and the field that is out of its bounds; "" if every field is within them.
type bound struct {
	request proto.Message
	field   string
}

func text(n int) string       { return strings.Repeat("x", n) }
func data(n int) []byte       { return make([]byte, n) }
func longFilter(n int) string { return "true" + strings.Repeat(" ", n-4) }

// ids returns n well-formed IDs of an earlier incarnation.
func ids(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("test.1.%d", i+1)
	}
	return out
}

func labels(n int) map[string]string {
	m := make(map[string]string, n)
	for i := range n {
		m[fmt.Sprintf("k%d", i)] = "v"
	}
	return m
}

func keys(n int) []string {
	var out []string
	for k := range labels(n) {
		out = append(out, k)
	}
	return out
}

func nodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i)
	}
	return names
}

const oneID = "test.1.1"

func period(d time.Duration) *durationpb.Duration { return durationpb.New(d) }

// disagreeing is a Duration whose seconds and nanos have different signs. The type forbids that.
var disagreeing = &durationpb.Duration{Seconds: 1, Nanos: -1}

var bounds = []bound{
	{&pb.ListConnectionsRequest{}, ""},
	{&pb.ListConnectionsRequest{PageSize: -1}, "page_size"},
	{&pb.ListConnectionsRequest{PageSize: -1 << 31}, "page_size"},
	{&pb.ListConnectionsRequest{PageSize: 1}, ""},
	{&pb.ListConnectionsRequest{PageSize: 1000}, ""},
	{&pb.ListConnectionsRequest{PageSize: 1001}, ""},
	{&pb.ListConnectionsRequest{PageSize: 1<<31 - 1}, ""},
	{&pb.ListConnectionsRequest{Filter: longFilter(4096)}, ""},
	{&pb.ListConnectionsRequest{Filter: longFilter(4097)}, "filter"},
	{&pb.ListConnectionsRequest{State: pb.ListState_LIST_STATE_ALL}, ""},
	{&pb.CountConnectionsRequest{}, ""},
	{&pb.CountConnectionsRequest{Filter: longFilter(4096)}, ""},
	{&pb.CountConnectionsRequest{Filter: longFilter(4097)}, "filter"},
	{&pb.CountConnectionsRequest{State: pb.ListState_LIST_STATE_ALL}, ""},
	{&pb.CountConnectionsRequest{State: pb.ListState_LIST_STATE_ALL + 1}, "state"},
	{&pb.CountConnectionsRequest{State: -1}, "state"},
	{&pb.CountConnectionsRequest{By: "listener"}, ""},
	{&pb.CountConnectionsRequest{By: "state"}, ""},
	{&pb.CountConnectionsRequest{By: "close_reason"}, ""},
	{&pb.CountConnectionsRequest{By: "remote_ip"}, ""},
	{&pb.CountConnectionsRequest{By: "handler_instance"}, ""},
	{&pb.CountConnectionsRequest{By: "labels." + text(63)}, ""},
	{&pb.CountConnectionsRequest{By: "labels." + text(64)}, "by"},
	{&pb.CountConnectionsRequest{By: "labels."}, "by"},
	{&pb.CountConnectionsRequest{By: "labels"}, "by"},
	{&pb.CountConnectionsRequest{By: "labels.Room"}, "by"},
	{&pb.CountConnectionsRequest{By: "bytes_sent"}, "by"},
	{&pb.CountConnectionsRequest{By: text(1 << 20)}, "by"},
	{&pb.ListConnectionsRequest{State: 4}, "state"},
	{&pb.ListConnectionsRequest{State: -1}, "state"},

	{&pb.SendRequest{Id: oneID}, "data"},
	{&pb.SendRequest{Id: oneID, Data: data(1)}, ""},
	{&pb.SendRequest{Id: oneID, Data: data(1 << 20)}, ""},
	{&pb.SendRequest{Id: oneID, Data: data(1<<20 + 1)}, "data"},
	{&pb.SendRequest{Id: oneID, Data: data(1<<20 + 1<<17)}, "data"},
	{&pb.SendRequest{Id: oneID, Data: data(1), Wait: pb.SendWait_SEND_WAIT_WRITTEN}, ""},
	{&pb.SendRequest{Id: oneID, Data: data(1), Wait: 3}, "wait"},
	{&pb.SendRequest{Id: oneID, Data: data(1), Wait: -1}, "wait"},
	{&pb.SendRequest{Id: oneID, Data: data(1), WaitTimeout: period(-1)}, "wait_timeout"},
	{&pb.SendRequest{Id: oneID, Data: data(1), WaitTimeout: period(0)}, ""},
	{&pb.SendRequest{Id: oneID, Data: data(1), WaitTimeout: period(time.Minute)}, ""},
	{&pb.SendRequest{Id: oneID, Data: data(1), WaitTimeout: period(time.Minute + 1)}, "wait_timeout"},
	{&pb.SendRequest{Id: oneID, Data: data(1), WaitTimeout: &durationpb.Duration{Seconds: 1 << 62}}, "wait_timeout"},
	{&pb.SendRequest{Id: oneID, Data: data(1), WaitTimeout: disagreeing}, "wait_timeout"},

	{&pb.BroadcastRequest{}, "data"},
	{&pb.BroadcastRequest{Data: data(1)}, ""},
	{&pb.BroadcastRequest{Data: data(512 << 10)}, ""},
	{&pb.BroadcastRequest{Data: data(512<<10 + 1)}, "data"},
	{&pb.BroadcastRequest{Data: data(1), Filter: longFilter(4096)}, ""},
	{&pb.BroadcastRequest{Data: data(1), Filter: longFilter(4097)}, "filter"},
	{&pb.BroadcastRequest{Data: data(1), ExcludeIds: ids(1000)}, ""},
	{&pb.BroadcastRequest{Data: data(1), ExcludeIds: ids(1001)}, "exclude_ids"},
	{&pb.BroadcastRequest{Data: data(1), RequestId: uuid}, ""},
	{&pb.BroadcastRequest{Data: data(1), RequestId: "123E4567-E89B-42D3-A456-426614174001"}, ""},
	{&pb.BroadcastRequest{Data: data(1), RequestId: uuid[1:]}, "request_id"},
	{&pb.BroadcastRequest{Data: data(1), RequestId: uuid + "0"}, "request_id"},
	{&pb.BroadcastRequest{Data: data(1), RequestId: "{" + uuid + "}"}, "request_id"},
	{&pb.BroadcastRequest{Data: data(1), RequestId: uuid + "\n"}, "request_id"},
	{&pb.BroadcastRequest{Data: data(1), RequestId: strings.ReplaceAll(uuid, "-", "")}, "request_id"},
	{&pb.BroadcastRequest{Data: data(1), RequestId: "g" + uuid[1:]}, "request_id"},
	{&pb.BroadcastRequest{Data: data(1), RequestId: text(1 << 20)}, "request_id"},

	{&pb.KickRequest{}, "connection_ids"},
	{&pb.KickRequest{ConnectionIds: ids(1), Filter: "true"}, "filter"},
	{&pb.KickRequest{Filter: "true"}, ""},
	{&pb.KickRequest{Filter: longFilter(4097)}, "filter"},
	{&pb.KickRequest{ConnectionIds: ids(1000)}, ""},
	{&pb.KickRequest{ConnectionIds: ids(1001)}, "connection_ids"},
	{&pb.KickRequest{ConnectionIds: []string{oneID, text(256)}}, ""},
	{&pb.KickRequest{ConnectionIds: []string{oneID, text(257)}}, "connection_ids"},
	{&pb.KickRequest{ConnectionIds: ids(1), Reason: text(256)}, ""},
	{&pb.KickRequest{ConnectionIds: ids(1), Reason: text(257)}, "reason"},
	{&pb.KickRequest{ConnectionIds: ids(1), Farewell: data(64 << 10)}, ""},
	{&pb.KickRequest{ConnectionIds: ids(1), Farewell: data(64<<10 + 1)}, "farewell"},
	{&pb.KickRequest{ConnectionIds: ids(1), FlushTimeout: period(-1)}, "flush_timeout"},
	{&pb.KickRequest{ConnectionIds: ids(1), FlushTimeout: period(0)}, ""},
	{&pb.KickRequest{ConnectionIds: ids(1), FlushTimeout: period(30 * time.Second)}, ""},
	{&pb.KickRequest{ConnectionIds: ids(1), FlushTimeout: period(30*time.Second + 1)}, "flush_timeout"},
	{&pb.KickRequest{ConnectionIds: ids(1), FlushTimeout: disagreeing}, "flush_timeout"},

	{&pb.SetLabelsRequest{Set: labels(1)}, "connection_ids"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Filter: "true", Set: labels(1)}, "filter"},
	{&pb.SetLabelsRequest{Filter: longFilter(4097), Set: labels(1)}, "filter"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1000), Set: labels(1)}, ""},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1001), Set: labels(1)}, "connection_ids"},
	{&pb.SetLabelsRequest{ConnectionIds: []string{text(257)}, Set: labels(1)}, "connection_ids"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1)}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: labels(16)}, ""},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: labels(17)}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{"": "v"}}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{"a-z.0_9": ""}}, ""},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{"Room": "v"}}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{"rööm": "v"}}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{text(63): "v"}}, ""},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{text(64): "v"}}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{text(1 << 20): "v"}}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{"k": text(256)}}, ""},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: map[string]string{"k": text(257)}}, "set"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Remove: keys(16)}, ""},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Remove: keys(17)}, "remove"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Remove: []string{"A"}}, "remove"},
	{&pb.SetLabelsRequest{ConnectionIds: ids(1), Set: labels(2), Remove: []string{"k1"}}, "remove"},

	{&pb.ShutdownRequest{GracePeriod: period(-1)}, "grace_period"},
	{&pb.ShutdownRequest{GracePeriod: period(24*time.Hour + 1)}, "grace_period"},
	{&pb.ShutdownRequest{GracePeriod: disagreeing}, "grace_period"},
	{&pb.ShutdownRequest{Reason: text(257)}, "reason"},
	{&pb.ShutdownRequest{Farewell: data(64<<10 + 1)}, "farewell"},

	{&pb.StreamEventsRequest{}, ""},
	{&pb.StreamEventsRequest{Types: []pb.EventType{0}}, "types"},
	{&pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_CLOSED,
		pb.EventType(len(pb.EventType_name))}}, "types"},
	{&pb.StreamEventsRequest{Types: []pb.EventType{-1}}, "types"},
	{&pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_LISTENING, pb.EventType_EVENT_TYPE_GAP}}, ""},
	{&pb.StreamEventsRequest{Types: make([]pb.EventType, 65)}, "types"},
	{&pb.StreamEventsRequest{Filter: longFilter(4097)}, "filter"},
	{&pb.StreamEventsRequest{After: "0"}, ""},
	{&pb.StreamEventsRequest{After: text(128<<10 + 1)}, "after"},
	{&pb.StreamEventsRequest{Snapshot: true, After: "0"}, "snapshot"},
	{&pb.StreamEventsRequest{Snapshot: true}, ""},
	{&pb.StreamEventsRequest{MaxDataBytes: -1}, "max_data_bytes"},
	{&pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: 1}, ""},
	{&pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: 65536}, ""},
	{&pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: 65537}, "max_data_bytes"},

	{&pb.GetGatewayRequest{}, ""},
	{&pb.GetLimitsRequest{}, ""},

	{&pb.KickRequest{ConnectionIds: ids(1), BanDuration: period(-1)}, "ban_duration"},
	{&pb.KickRequest{ConnectionIds: ids(1), BanDuration: period(10 * 365 * 24 * time.Hour)}, ""},
	{&pb.KickRequest{ConnectionIds: ids(1), BanDuration: period(10*365*24*time.Hour + 1)}, "ban_duration"},
	{&pb.AddBanRequest{}, "target"},
	{&pb.AddBanRequest{Target: text(65)}, "target"},
	{&pb.AddBanRequest{Identity: true}, "target"},
	{&pb.AddBanRequest{Target: text(1025), Identity: true}, "target"},
	{&pb.AddBanRequest{Target: "192.0.2.1", Duration: period(-1)}, "duration"},
	{&pb.AddBanRequest{Target: "192.0.2.1", Duration: period(10*365*24*time.Hour + 1)}, "duration"},
	{&pb.AddBanRequest{Target: "192.0.2.1", Duration: disagreeing}, "duration"},
	{&pb.AddBanRequest{Target: "192.0.2.1", Reason: text(257)}, "reason"},
	{&pb.ListBansRequest{PageSize: -1}, "page_size"},
	{&pb.RemoveBanRequest{}, "target"},
	{&pb.RemoveBanRequest{Target: text(65)}, "target"},
	{&pb.RemoveBanRequest{Target: text(1025), Identity: true}, "target"},
	{&pb.ListNodesRequest{Scope: &pb.Scope{Local: true, All: true}}, "scope.local"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{Nodes: []string{"test"}, Local: true}}, "scope.nodes"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{Nodes: []string{"test"}, All: true}}, "scope.nodes"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{Nodes: []string{"test", "test"}}}, "scope.nodes"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{Nodes: []string{"Test"}}}, "scope.nodes"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{Nodes: nodeNames(1001)}}, "scope.nodes"},
	{&pb.StreamEventsRequest{Scope: &pb.Scope{Nodes: []string{""}}}, "scope.nodes"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{NodeTimeout: period(time.Minute + 1)}}, "scope.node_timeout"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{NodeTimeout: period(-1)}}, "scope.node_timeout"},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{Nodes: []string{"test"}, RequireAll: true,
		NodeTimeout: period(time.Minute)}}, ""},
	{&pb.CountConnectionsRequest{Scope: &pb.Scope{All: true}}, ""},
	{&pb.StreamEventsRequest{Scope: &pb.Scope{Local: true}}, ""},
	{&pb.ForgetNodeRequest{}, "node"},
	{&pb.ListInstancesRequest{Handler: text(33)}, "handler"},
	{&pb.DrainInstanceRequest{Instance: "i"}, "handler"},
	{&pb.DrainInstanceRequest{Handler: text(33), Instance: "i"}, "handler"},
	{&pb.DrainInstanceRequest{Handler: "h"}, "instance"},
	{&pb.DrainInstanceRequest{Handler: "h", Instance: text(65)}, "instance"},
	{&pb.DrainInstanceRequest{Handler: "h", Instance: "i", Timeout: period(-1)}, "timeout"},
	{&pb.DrainInstanceRequest{Handler: "h", Instance: "i", Timeout: period(time.Hour + 1)}, "timeout"},
	{&pb.DrainInstanceRequest{Handler: "h", Instance: "i", Reason: text(257)}, "reason"},
	{&pb.ForgetNodeRequest{Node: text(33)}, "node"},

	// These end the gateway's data plane, so they come last.
	{&pb.ShutdownRequest{GracePeriod: period(24 * time.Hour), Reason: text(256), Farewell: data(64 << 10)}, ""},
	{&pb.ShutdownRequest{GracePeriod: period(0)}, ""},
	{&pb.ShutdownRequest{}, ""},
}

func TestBounds(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	for _, b := range bounds {
		_, err := call(patiently(t), g.Client, b.request)
		name := fmt.Sprintf("%T %.120v", b.request, b.request)
		switch {
		case b.field == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case b.field != "" && err == nil:
			t.Errorf("%s: no error; expected one of %s", name, b.field)
		case b.field != "":
			if got, _ := failureOf(t, err); got != (failure{codes.InvalidArgument, "OUT_OF_BOUNDS", b.field}) {
				t.Errorf("%s: %v: %v", name, got, err)
			}
		}
	}
}

// Each request of the contract that has a field besides its scope is tried with a value beyond a bound. Two have tests
// of their own: TestMalformedID and TestUpdateLimitsBounds.
func TestEveryRequestHasBounds(t *testing.T) {
	elsewhere := []protoreflect.Name{"GetConnection", "UpdateLimits"}
	for _, m := range methods() {
		fields := m.Input().Fields()
		if fields.Len() == 0 || fields.Len() == 1 && fields.Get(0).Name() == "scope" ||
			slices.Contains(elsewhere, m.Name()) {
			continue
		}
		if !slices.ContainsFunc(bounds, func(b bound) bool {
			return b.field != "" && b.request.ProtoReflect().Descriptor() == m.Input()
		}) {
			t.Errorf("no bound of %s is tried", m.Input().Name())
		}
	}
}

// TestOversize holds that a message that gRPC itself refuses does not end the client's connection.
func TestOversize(t *testing.T) {
	g := gatewaytest.Start(t)
	_, err := g.Client.Send(patiently(t), &pb.SendRequest{Id: oneID, Data: data(4 << 20)})
	if got := failureCode(err); got != codes.ResourceExhausted {
		t.Errorf("code %s: %v", got, err)
	}
	_, err = g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
}
