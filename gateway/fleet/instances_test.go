package fleet_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const statusUnsupported = pb.NodeStatus_NODE_STATUS_UNSUPPORTED

// attached is a Local with the instances of a test.
type attached struct {
	fleet.Local
	rows  *pb.ListInstancesResponse
	drain *pb.DrainInstanceResponse // nil: it has no such instance
}

func (a *attached) ListInstances(context.Context, *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
	return a.rows, nil
}

func (a *attached) DrainInstance(context.Context, *pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) {
	if a.drain == nil {
		return nil, status.Error(codes.NotFound, "m has no such instance")
	}
	return a.drain, nil
}

// amongAttached returns the node `m` with instances of its own, among others.
func amongAttached(t *testing.T, own *attached, answer func(a fleet.Asked) fleet.Answer,
	others ...member.Member) *scripted {
	t.Helper()
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer { return answer(a) }, others...)
	own.Local = control.NewLocal(n.server, control.Config{})
	n.Node = fleet.NewScripted(n.script, n.server, n.bus, own)
	return n
}

// instances are rows of a node, given as `handler/instance` in their order, and its handlers.
func instances(node string, names ...string) *pb.ListInstancesResponse {
	r := &pb.ListInstancesResponse{}
	for _, name := range names {
		handler, instance, _ := strings.Cut(name, "/")
		if last := r.GetHandlers(); len(last) == 0 || last[len(last)-1].GetHandler() != handler {
			r.Handlers = append(r.Handlers, &pb.HandlerStatus{Handler: handler, Node: node, Lanes: 1})
		}
		if instance != "" {
			r.Instances = append(r.Instances, &pb.Instance{Handler: handler, Instance: instance, Node: node, Lanes: 1,
				Connections: 7, UnacknowledgedBytes: 9, UnacknowledgedAge: durationpb.New(time.Second), Draining: true,
				AttachedAt: timestamppb.Now(), Actor: "spiffe://example.org/jt808", Silent: durationpb.New(0)})
		}
	}
	return r
}

// listed gives the rows of a response in words.
func listed(r *pb.ListInstancesResponse) string {
	var words []string
	for _, i := range r.GetInstances() {
		words = append(words, i.GetHandler()+"/"+i.GetInstance()+"@"+i.GetNode())
	}
	for _, h := range r.GetHandlers() {
		words = append(words, h.GetHandler()+"@"+h.GetNode())
	}
	return strings.Join(words, " ")
}

// TestInstancesOfAll checks the order of the rows of several nodes, and that nodes that are silent, or of a version
// without the verb, are named and cost the others nothing.
func TestInstancesOfAll(t *testing.T) {
	answers := map[string]fleet.Answer{
		"a": ok(instances("a", "echo/x", "jt808/p-1", "jt808/p-2")),
		"o": {Status: statusUnsupported, Message: "no such verb"},
		"s": {Status: statusTimedOut},
		"z": ok(instances("z", "echo/", "jt808/p-1")),
	}
	n := amongAttached(t, &attached{rows: instances("m", "chat/", "jt808/P_0", "jt808/p-1")},
		func(a fleet.Asked) fleet.Answer { return answers[a.Node] }, other("a", live), other("o", live), other("s", live),
		other("z", live))
	r, err := n.ListInstances(t.Context(), &pb.ListInstancesRequest{})
	check(t, err)
	want := "echo/x@a jt808/P_0@m jt808/p-1@a jt808/p-1@m jt808/p-1@z jt808/p-2@a " +
		"chat@m echo@a echo@z jt808@a jt808@m jt808@z"
	if got := listed(r); got != want {
		t.Errorf("%s\nexpected %s", got, want)
	}
	f := r.GetFleet()
	if f.GetComplete() || f.GetExpected() != 5 || f.GetAnswered() != 4 ||
		f.GetNodes()[2].GetStatus() != statusUnsupported || f.GetNodes()[3].GetStatus() != statusTimedOut {
		t.Error(f)
	}
	_, err = n.ListInstances(t.Context(), &pb.ListInstancesRequest{Scope: &pb.Scope{RequireAll: true}})
	expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODES_MISSING", "2 of 5 nodes", "o (UNSUPPORTED)",
		"s (TIMED_OUT)")
	r, err = n.ListInstances(t.Context(), &pb.ListInstancesRequest{Scope: &pb.Scope{Local: true}})
	check(t, err)
	if len(n.asked) != 8 || listed(r) != "jt808/P_0@m jt808/p-1@m chat@m jt808@m" {
		t.Errorf("%d questions, %v", len(n.asked), r)
	}
	expectComplete(t, r.GetFleet(), "m")
	if len(n.controls()) != 0 {
		t.Error("a list was recorded")
	}
}

// TestInstancesHaveRoom checks that a reply stays below the size that gRPC clients accept, names the nodes whose rows
// it leaves out, and that a node with many rows does not take the room of the others.
func TestInstancesHaveRoom(t *testing.T) {
	many := func(node string, rows int) fleet.Answer {
		r := &pb.ListInstancesResponse{}
		for i := range rows {
			r.Instances = append(r.Instances, &pb.Instance{Handler: "jt808", Instance: fmt.Sprintf("%064d", i), Node: node,
				Actor: strings.Repeat("x", 1024)})
		}
		return ok(r)
	}
	n := amongAttached(t, &attached{rows: instances("m", "jt808/own")}, func(a fleet.Asked) fleet.Answer {
		return many(a.Node, map[string]int{"a": 2700, "b": 1000, "c": 1000, "d": 1000, "e": 500}[a.Node])
	}, other("a", live), other("b", live), other("c", live), other("d", live), other("e", live))
	r, err := n.ListInstances(t.Context(), &pb.ListInstancesRequest{})
	check(t, err)
	var without []string
	for _, node := range r.GetFleet().GetNodes() {
		if node.GetStatus() == statusError && strings.Contains(node.GetMessage(), "no room") {
			without = append(without, node.GetNode())
		}
	}
	if got := strings.Join(without, " "); got != "a d" || len(r.GetInstances()) != 2501 || proto.Size(r) >= 4<<20 ||
		r.GetFleet().GetComplete() {
		t.Errorf("no room for %s; %d rows, %d bytes", got, len(r.GetInstances()), proto.Size(r))
	}
	_, err = n.ListInstances(t.Context(), &pb.ListInstancesRequest{Scope: &pb.Scope{RequireAll: true}})
	expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODES_MISSING")
	if v := n.violations(); len(v) != 0 {
		t.Errorf("published %v", v)
	}
}

// TestDrainInstanceEverywhere checks that nodes without the instance have succeeded, and that the reply and the record
// add up the nodes that have it.
func TestDrainInstanceEverywhere(t *testing.T) {
	answers := map[string]fleet.Answer{
		"a": ok(&pb.DrainInstanceResponse{Lanes: 2, Connections: 10, OtherLanes: 3}),
		"b": failing(codes.NotFound, "none"),
		"z": ok(&pb.DrainInstanceResponse{Lanes: math.MaxUint32, Connections: math.MaxUint64, OtherLanes: 1}),
	}
	n := amongAttached(t, &attached{drain: &pb.DrainInstanceResponse{Lanes: 1, Connections: 5, OtherLanes: 1}},
		func(a fleet.Asked) fleet.Answer { return answers[a.Node] }, other("a", live), other("b", live), other("z", live))
	drain := func(r *pb.DrainInstanceRequest) *pb.DrainInstanceResponse {
		r.Handler, r.Instance = "jt808", "p-1"
		got, err := n.DrainInstance(t.Context(), r)
		check(t, err)
		return got
	}
	r := drain(&pb.DrainInstanceRequest{Scope: &pb.Scope{Nodes: []string{"a", "b", "m"}}, Reason: "deploy"})
	if r.GetLanes() != 3 || r.GetConnections() != 15 || r.GetOtherLanes() != 4 {
		t.Error(r)
	}
	expectComplete(t, r.GetFleet(), "a", "b", "m")
	if c := r.GetFleet().GetNodes()[0].GetCounts(); c["lanes"] != 2 || c["connections"] != 10 || c["other_lanes"] != 3 {
		t.Error(c)
	}
	if c := n.controls(); len(c) != 1 || c[0].Verb != "DrainInstance" || c[0].Matched != 10 ||
		c[0].Reason != "instance p-1 of jt808: deploy" || c[0].Nodes["a"] != "OK" || c[0].Nodes["b"] != "OK" {
		t.Errorf("%+v", c)
	}
	if r = drain(&pb.DrainInstanceRequest{}); r.GetLanes() != math.MaxUint32 || r.GetConnections() != math.MaxUint64 {
		t.Errorf("the sum wraps: %v", r)
	}
	answers["z"] = fleet.Answer{Status: statusTimedOut}
	answers["b"] = fleet.Answer{Status: statusUnsupported, Message: "no such verb"}
	if r = drain(&pb.DrainInstanceRequest{}); r.GetLanes() != 3 || r.GetFleet().GetComplete() {
		t.Error(r)
	}
	if c := n.controls(); len(c) != 3 || c[2].Nodes["z"] != "TIMED_OUT" || c[2].Nodes["b"] != "UNSUPPORTED" ||
		c[2].Reason != "instance p-1 of jt808" {
		t.Errorf("%+v", c)
	}
	_, err := n.DrainInstance(t.Context(), &pb.DrainInstanceRequest{Handler: "jt808", Instance: "p-1",
		Scope: &pb.Scope{RequireAll: true}})
	expectFailure(t, n.ErrorOf(err), codes.Unavailable, "NODES_MISSING", "b (UNSUPPORTED)", "z (TIMED_OUT)")
	if c := n.controls(); len(c) != 4 {
		t.Errorf("%d records: what other nodes did is not among them", len(c))
	}
}

// TestDrainInstanceNowhere checks that an instance that no node has is not found, which changes nothing and is not
// recorded. If some node may have it, the error does not say that no node has it.
func TestDrainInstanceNowhere(t *testing.T) {
	absent := failing(codes.NotFound, "none")
	absent.Err = detailed(t, codes.NotFound, "none", "UNKNOWN_INSTANCE", map[string]string{"node": "m"})
	answers := map[string]fleet.Answer{"a": absent, "b": absent}
	n := amongAttached(t, &attached{}, func(a fleet.Asked) fleet.Answer { return answers[a.Node] }, other("a", live),
		other("b", live))
	drain := func(nodes ...string) (*pb.DrainInstanceResponse, error) {
		return n.DrainInstance(t.Context(), &pb.DrainInstanceRequest{Handler: "jt808", Instance: "p-1",
			Scope: &pb.Scope{Nodes: nodes}})
	}
	_, err := drain()
	if s := status.Convert(n.ErrorOf(err)); s.Code() != codes.NotFound || s.Message() != "m has no such instance" {
		t.Errorf("%v; expected this node's own error", err)
	}
	_, err = drain("b", "a")
	expectFailure(t, n.ErrorOf(err), codes.NotFound, "UNKNOWN_INSTANCE")
	if got := infoOf(n.ErrorOf(err)).GetMetadata()["node"]; got != "a" {
		t.Errorf("the error is of node %q; expected a", got)
	}
	if c := n.controls(); len(c) != 0 {
		t.Errorf("recorded %+v", c)
	}
	for _, a := range []fleet.Answer{{Status: statusTimedOut}, {Status: statusUnsupported}, failing(codes.Internal, "x")} {
		answers["b"] = a
		r, err := drain()
		check(t, err)
		if f := r.GetFleet(); f.GetComplete() || f.GetNodes()[0].GetStatus() != statusOK || r.GetLanes() != 0 {
			t.Error(r)
		}
	}
	if c := n.controls(); len(c) != 3 || c[0].Nodes["b"] != "TIMED_OUT" || c[0].Matched != 0 {
		t.Errorf("%+v", c)
	}
}
