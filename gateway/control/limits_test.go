package control_test

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// limited is a gateway that has only limits, and notes how they were changed.
type limited struct {
	fixed
	limits  *server.Limits
	changes *server.UpdateLimitsRequest
}

func (l limited) Limits() server.Limits { return *l.limits }

func (l limited) UpdateLimits(r server.UpdateLimitsRequest) (server.Limits, error) {
	*l.changes = r
	r.Change(l.limits)
	return *l.limits, nil
}

// fixedLimits are the limits that cannot be changed, according to the contract.
var fixedLimits = []string{"low_water", "idle_action", "drain_timeout", "event_log_size"}

// The limits of these tests have a value for every field of the contract and of the server.
func TestWholeLimitsAreWhole(t *testing.T) {
	m := wholeLimitsMessage.ProtoReflect()
	for i := range m.Descriptor().Fields().Len() {
		if f := m.Descriptor().Fields().Get(i); !m.Has(f) {
			t.Errorf("wholeLimitsMessage has no %s", f.Name())
		}
	}
	l := reflect.ValueOf(wholeLimits)
	for i := range l.NumField() {
		if l.Field(i).IsZero() {
			t.Errorf("wholeLimits has no %s", l.Type().Field(i).Name)
		}
	}
}

// TestUpdateLimits holds that each limit can be changed alone, that all can be together, and that the record has names
// and values.
func TestUpdateLimits(t *testing.T) {
	g := limited{limits: &server.Limits{}, changes: &server.UpdateLimitsRequest{}}
	conn, _ := serve(t, g, control.Config{})
	client := pb.NewGatewayServiceClient(conn)
	var every []string
	fields := wholeLimitsMessage.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := string(f.Name())
		if slices.Contains(fixedLimits, name) {
			continue
		}
		every = append(every, name)
		*g.limits = server.Limits{}
		r, err := client.UpdateLimits(patiently(t), &pb.UpdateLimitsRequest{Limits: wholeLimitsMessage,
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{name}}})
		check(t, err)
		want, got := wholeLimitsMessage.ProtoReflect().Get(f), r.GetLimits().ProtoReflect().Get(f)
		if !want.Equal(got) {
			t.Errorf("%s: %v; expected %v", name, got, want)
		}
		if words := slices.Collect(maps.Keys(g.changes.Changes)); !slices.Equal(words, []string{name}) ||
			g.changes.Changes[name] == "" {
			t.Errorf("%s is recorded as %v", name, g.changes.Changes)
		}
	}
	*g.limits = server.Limits{LowWater: wholeLimits.LowWater}
	r, err := client.UpdateLimits(patiently(t), &pb.UpdateLimitsRequest{Limits: wholeLimitsMessage,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: every}})
	check(t, err)
	if !proto.Equal(r.GetLimits(), wholeLimitsMessage) {
		t.Errorf("%v; expected %v", r.GetLimits(), wholeLimitsMessage)
	}
	if a := g.changes.Actor; a.Proof != "none" || a.Role != "ADMIN" || !strings.HasPrefix(a.Identity, "127.0.0.1:") {
		t.Errorf("actor %+v", a)
	}
}

// TestHoldTimeoutOfZero checks that a hold timeout of 0, or none, does not become the server's default, and comes back
// as 0.
func TestHoldTimeoutOfZero(t *testing.T) {
	g := limited{limits: &server.Limits{}, changes: &server.UpdateLimitsRequest{}}
	conn, _ := serve(t, g, control.Config{})
	for _, limits := range []*pb.Limits{{}, {HoldTimeout: period(0)}} {
		*g.limits = server.Limits{HoldTimeout: 1}
		r, err := pb.NewGatewayServiceClient(conn).UpdateLimits(patiently(t), &pb.UpdateLimitsRequest{Limits: limits,
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"hold_timeout"}}})
		check(t, err)
		if got := r.GetLimits().GetHoldTimeout(); g.limits.HoldTimeout != server.NoHold || got == nil ||
			got.AsDuration() != 0 || g.changes.Changes["hold_timeout"] != "0s" {
			t.Errorf("%s, answered as %v and recorded as %v", g.limits.HoldTimeout, got, g.changes.Changes)
		}
	}
}

// TestUpdateLimitsBounds checks that bad masks and values are refused with the name of the field, and that nothing
// changes then.
func TestUpdateLimitsBounds(t *testing.T) {
	g := limited{limits: &server.Limits{}, changes: &server.UpdateLimitsRequest{}}
	conn, _ := serve(t, g, control.Config{})
	client := pb.NewGatewayServiceClient(conn)
	many := make(map[string]uint64)
	for k := range labels(1001) {
		many[k] = 1
	}
	for _, c := range []struct {
		paths  []string
		limits *pb.Limits
		field  string
	}{
		{nil, &pb.Limits{MaxConnections: 1}, "update_mask"},
		{[]string{"*"}, &pb.Limits{}, "update_mask"},
		{[]string{""}, &pb.Limits{}, "update_mask"},
		{[]string{"MaxConnections"}, &pb.Limits{}, "update_mask"},
		{[]string{"listener_connections.main"}, &pb.Limits{}, "update_mask"},
		{[]string{"max_connections", "unknown"}, &pb.Limits{MaxConnections: 1}, "update_mask"},
		{[]string{"low_water"}, &pb.Limits{LowWater: 1}, "update_mask"},
		{[]string{"idle_action"}, &pb.Limits{}, "update_mask"},
		{[]string{"drain_timeout"}, &pb.Limits{}, "update_mask"},
		{[]string{"event_log_size"}, &pb.Limits{}, "update_mask"},
		{slices.Repeat([]string{"max_connections"}, 65), &pb.Limits{}, "update_mask"},
		{[]string{"max_connections"}, &pb.Limits{MaxConnections: math.MaxInt + 1}, "limits.max_connections"},
		{[]string{"accept_rate"}, &pb.Limits{AcceptRate: -1}, "limits.accept_rate"},
		{[]string{"accept_rate"}, &pb.Limits{AcceptRate: math.NaN()}, "limits.accept_rate"},
		{[]string{"accept_rate_per_ip"}, &pb.Limits{AcceptRatePerIp: math.Inf(1)}, "limits.accept_rate_per_ip"},
		{[]string{"idle_timeout"}, &pb.Limits{IdleTimeout: period(-1)}, "limits.idle_timeout"},
		{[]string{"write_timeout"}, &pb.Limits{WriteTimeout: disagreeing}, "limits.write_timeout"},
		{[]string{"write_timeout"}, &pb.Limits{}, "limits.write_timeout"}, // 0 would become the default, and be recorded as 0
		{[]string{"handshake_timeout"}, &pb.Limits{HandshakeTimeout: period(0)}, "limits.handshake_timeout"},
		{[]string{"high_water"}, &pb.Limits{}, "limits.high_water"},
		{[]string{"send_queue_limit"}, &pb.Limits{}, "limits.send_queue_limit"},
		{[]string{"max_handshakes"}, &pb.Limits{}, "limits.max_handshakes"},
		{[]string{"hold_timeout"}, &pb.Limits{HoldTimeout: period(-1)}, "limits.hold_timeout"},
		{[]string{"admit_timeout"}, &pb.Limits{}, "limits.admit_timeout"},
		{[]string{"handler_window"}, &pb.Limits{}, "limits.handler_window"},
		{[]string{"allow"}, &pb.Limits{Allow: []string{"10.0.0.1"}}, "limits.allow"},
		{[]string{"allow"}, &pb.Limits{Allow: []string{"10.0.0.1/8"}}, "limits.allow"},
		{[]string{"deny"}, &pb.Limits{Deny: []string{"everybody"}}, "limits.deny"},
		{[]string{"deny"}, &pb.Limits{Deny: slices.Repeat([]string{"10.0.0.0/8"}, 10_001)}, "limits.deny"},
		{[]string{"listener_connections"}, &pb.Limits{ListenerConnections: map[string]uint64{"l": math.MaxUint64}},
			"limits.listener_connections"},
		{[]string{"listener_connections"}, &pb.Limits{ListenerConnections: many}, "limits.listener_connections"},
	} {
		_, err := client.UpdateLimits(patiently(t),
			&pb.UpdateLimitsRequest{Limits: c.limits, UpdateMask: &fieldmaskpb.FieldMask{Paths: c.paths}})
		expectFailure(t, err, failure{codes.InvalidArgument, "OUT_OF_BOUNDS", c.field})
	}
	if g.changes.Change != nil {
		t.Errorf("changed %v", g.changes.Changes)
	}
}

// TestLongListIsRecordedShort checks that a long list of networks does not fill the event log.
func TestLongListIsRecordedShort(t *testing.T) {
	g := limited{limits: &server.Limits{}, changes: &server.UpdateLimitsRequest{}}
	conn, _ := serve(t, g, control.Config{})
	_, err := pb.NewGatewayServiceClient(conn).UpdateLimits(patiently(t), &pb.UpdateLimitsRequest{
		Limits: &pb.Limits{Deny: slices.Repeat([]string{"10.0.0.0/8"},
			10_000)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"deny"}}})
	check(t, err)
	if words := g.changes.Changes["deny"]; len(words) > 256 || !strings.HasPrefix(words, "10000: 10.0.0.0/8,") {
		t.Errorf("recorded as %q", words)
	}
}
