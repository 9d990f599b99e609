package control_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The roles that cap forwarded calls, as tests write them.
const (
	none     = pb.Role_ROLE_UNSPECIFIED
	viewer   = pb.Role_ROLE_VIEWER
	operator = pb.Role_ROLE_OPERATOR
	admin    = pb.Role_ROLE_ADMIN
	beside   = pb.Role_ROLE_HANDLER
)

// remote is a caller at another node.
var remote = event.Actor{Identity: "ann", Proof: "token", Role: "ADMIN", Address: "192.0.2.1:5", RequestID: "r-1",
	Via: "edge-2"}

func localOf(g control.Gateway) *control.Local {
	return control.NewLocal(g, control.Config{})
}

func encoded(t *testing.T, m proto.Message) []byte {
	b, err := proto.Marshal(m)
	check(t, err)
	return b
}

// with returns the remote caller with another role.
func with(role string) event.Actor {
	a := remote
	a.Role = role
	return a
}

// TestForwardedRole checks that a forwarded call has the lesser role of its caller and of the node that forwarded it.
func TestForwardedRole(t *testing.T) {
	l := localOf(gatewaytest.Start(t).Server)
	count, kick := pb.GatewayService_CountConnections_FullMethodName, pb.GatewayService_Kick_FullMethodName
	for _, c := range []struct {
		role   string
		most   pb.Role
		method string
		denied bool
	}{
		{"VIEWER", admin, count, false}, {"VIEWER", admin, kick, true}, {"OPERATOR", admin, kick, false}, {"ADMIN", viewer,
			kick, true},
		{"HANDLER", admin, count, true}, {"HANDLER:chat", admin, count, true}, {"HANDLER", beside, count, true},
		{"ADMIN", beside, count, true}, {"ADMIN", beside, kick, true}, {"HANDLER", viewer, count, true},
		{"ADMIN", operator, kick, false}, {"", admin, count, true}, {"ADMIN", none, count, true}, {"KING", admin, count,
			true}, {"UNSPECIFIED", admin, count, true},
	} {
		_, err := l.Call(patiently(t), with(c.role), c.most, c.method, encoded(t,
			&pb.KickRequest{ConnectionIds: nil, Filter: ""}))
		denied := failureCode(err) == codes.PermissionDenied
		if denied != c.denied {
			t.Errorf("%+v: %v", c, err)
		}
		if denied && (!strings.Contains(err.Error(), "edge-2") || !strings.Contains(err.Error(), "ann")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	err := l.Follow(patiently(t), with("VIEWER"), admin, encoded(t, &pb.StreamEventsRequest{IncludeData: true}),
		func([]byte) error { return nil })
	expectFailure(t, err, failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
}

// TestForwardedCall checks that a forwarded call is validated, carried out, and recorded with its caller and the node
// that forwarded it.
func TestForwardedCall(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	_, id := connect(t, g)
	l := localOf(g.Server)
	events := follow(t, g, &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONTROL}})
	b, err := l.Call(patiently(t), remote, admin, pb.GatewayService_Kick_FullMethodName,
		encoded(t, &pb.KickRequest{ConnectionIds: []string{id}}))
	check(t, err)
	response := &pb.KickResponse{}
	check(t, proto.Unmarshal(b, response))
	if response.GetKicked() != 1 {
		t.Error(response)
	}
	if d := events.next().GetControl(); d.GetActor() != "ann" || d.GetProof() != "token" || d.GetRole() != "ADMIN" ||
		d.GetViaNode() != "edge-2" ||
		d.GetRequestId() != "r-1" || d.GetSourceAddress() != "192.0.2.1:5" {
		t.Error(d)
	}
	_, err = l.Call(patiently(t), remote, admin, pb.GatewayService_Kick_FullMethodName, encoded(t, &pb.KickRequest{}))
	expectFailure(t, err, failure{codes.InvalidArgument, "OUT_OF_BOUNDS", "connection_ids"})
	for _, method := range []string{"/sockgate.v1.GatewayService/Fly", "/sockgate.v2.GatewayService/Kick", "Kick", "",
		"/sockgate.v1.GatewayService/StreamEvents"} {
		if _, err := l.Call(patiently(t), remote, admin, method, nil); failureCode(err) != codes.Unimplemented {
			t.Errorf("%q: %v", method, err)
		}
	}
	for _, garbage := range []string{"\xff", "\x0a\xff\xff\xff\xff\x0f"} {
		if _, err := l.Call(patiently(t), remote, admin, pb.GatewayService_Kick_FullMethodName,
			[]byte(garbage)); failureCode(err) != codes.InvalidArgument {
			t.Errorf("%q: %v", garbage, err)
		}
	}
}

// TestForwardedSize checks that another node's request may be as large as a caller's, and no larger, and may have no
// more fields, because it may grow to many times its size when it is decoded.
func TestForwardedSize(t *testing.T) {
	t.Parallel()
	l := localOf(gatewaytest.Start(t).Server)
	for size, want := range map[int]string{1 << 15: "expected at most 1000", 5 << 18: "more than 24576",
		5<<18 + 2: "1310722 bytes"} {
		ids := bytes.Repeat([]byte("\x0a\x00"), size/2) // connection_ids, each of them empty
		_, err := l.Call(patiently(t), remote, admin, pb.GatewayService_Kick_FullMethodName, ids)
		if failureCode(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v; expected %q", size, err, want)
		}
	}
}

// TestForwardedPanic checks that a panic in a forwarded call becomes an error at both nodes.
func TestForwardedPanic(t *testing.T) {
	l := localOf(stub{gatewaytest.Start(t).Server, func(context.Context) error { panic("boom") }})
	_, err := l.Call(patiently(t), remote, admin, pb.GatewayService_CountConnections_FullMethodName, nil)
	expectFailure(t, err, failure{codes.Internal, "PANIC", ""})
}

// TestForwardedStream checks that encoded events are passed on until the caller ends the stream.
func TestForwardedStream(t *testing.T) {
	g := gatewaytest.Start(t)
	l := localOf(g.Server)
	_, id := connect(t, g)
	enough := errors.New("enough")
	var got []*pb.Event
	err := l.Follow(patiently(t), remote, viewer, encoded(t, &pb.StreamEventsRequest{After: "0"}), func(b []byte) error {
		r := &pb.StreamEventsResponse{}
		check(t, proto.Unmarshal(b, r))
		if got = append(got, r.GetEvents()...); len(got) >= 2 {
			return enough
		}
		return nil
	})
	if err == nil || len(got) < 2 || got[1].GetConnection().GetId() != id {
		t.Errorf("%v; events %v", err, got)
	}
	later := pb.EventType(1000) // of a later version
	for _, types := range [][]pb.EventType{{later}, {later, pb.EventType_EVENT_TYPE_LISTENING}} {
		err := l.Follow(patiently(t), remote, viewer, encoded(t, &pb.StreamEventsRequest{After: "0", Types: types}),
			func(b []byte) error {
				r := &pb.StreamEventsResponse{}
				check(t, proto.Unmarshal(b, r))
				if len(r.GetEvents()) > len(types)-1 {
					t.Errorf("%v: %v", types, r)
				}
				return enough
			})
		if failureCode(err) == codes.InvalidArgument {
			t.Error(err)
		}
	}
	if err := l.Follow(patiently(t), remote, viewer, encoded(t, &pb.StreamEventsRequest{Filter: "nonsense +"}),
		nil); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
}

// TestForwardedBounds checks that a forwarded call counts among its caller's calls only while it lasts, and that its
// request ID has the same bounds as at this node.
func TestForwardedBounds(t *testing.T) {
	l := control.NewLocal(gatewaytest.Start(t).Server, control.Config{CallsPerIdentity: 1})
	count := pb.GatewayService_CountConnections_FullMethodName
	for range 3 {
		_, err := l.Call(patiently(t), remote, admin, count, nil)
		check(t, err)
	}
	err := l.Admit(patiently(t), remote, admin, count, &pb.CountConnectionsRequest{}, func(ctx context.Context) error {
		_, err := l.Call(ctx, remote, admin, count, nil)
		return err
	})
	expectFailure(t, err, failure{codes.ResourceExhausted, "TOO_MANY_CALLS", ""})
	for _, id := range []string{strings.Repeat("x", 129), "a\nb"} {
		caller := remote
		caller.RequestID = id
		_, err := l.Call(patiently(t), caller, admin, count, nil)
		expectFailure(t, err, failure{codes.InvalidArgument, "OUT_OF_BOUNDS", "x-request-id"})
	}
}

// TestAdmit checks that work that a node does itself for a caller of another node is authorized and validated as a call
// is.
func TestAdmit(t *testing.T) {
	l := localOf(gatewaytest.Start(t).Server)
	done := 0
	forget := func(role string, most pb.Role, node string, then error) error {
		return l.Admit(patiently(t), with(role), most, pb.GatewayService_ForgetNode_FullMethodName,
			&pb.ForgetNodeRequest{Node: node}, func(ctx context.Context) error {
				done++
				if c := l.Caller(ctx); c.Via != "edge-2" || c.Identity != "ann" || c.RequestID != "r-1" {
					t.Errorf("the caller is %+v", c)
				}
				if errors.Is(then, errors.ErrUnsupported) {
					panic("boom")
				}
				return then
			})
	}
	check(t, forget("ADMIN", admin, "edge-3", nil))
	expectFailure(t, forget("OPERATOR", admin, "edge-3", nil), failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
	expectFailure(t, forget("ADMIN", operator, "edge-3", nil), failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
	expectFailure(t, forget("ADMIN", admin, "Edge 3", nil), failure{codes.InvalidArgument, "OUT_OF_BOUNDS", "node"})
	if done != 1 {
		t.Errorf("done %d times", done)
	}
	expectFailure(t, forget("ADMIN", admin, "edge-3", context.Canceled), failure{codes.Canceled, "CANCELED", ""})
	expectFailure(t, forget("ADMIN", admin, "edge-3", errors.ErrUnsupported), failure{codes.Internal, "PANIC", ""})
	expectFailure(t, l.Panicked("boom"), failure{codes.Internal, "PANIC", ""})
}
