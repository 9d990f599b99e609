package fleet_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// violations returns the NODE_VIOLATION events that a node has published.
func (n *scripted) violations() []*event.NodeDetail {
	n.t.Helper()
	sub, err := n.server.Subscribe(server.SubscribeRequest{After: "0", Types: event.Types(0).With(event.NodeViolation)})
	check(n.t, err)
	defer sub.Close()
	var all []*event.NodeDetail
	for _, e := range sub.Poll(nil) {
		all = append(all, e.Detail.(*event.NodeDetail))
	}
	return all
}

// row is a row of node a, changed by a test.
func row(change func(*pb.Connection)) *pb.Connection {
	c := &pb.Connection{Id: "a.2.1", Node: "a"}
	change(c)
	return c
}

func rows(change func(*pb.Connection)) proto.Message {
	return &pb.ListConnectionsResponse{Connections: []*pb.Connection{row(change)}}
}

// twice appends a second value of a field to a message that is an element of field 1.
func twice(m proto.Message, field protowire.Number, text string) fleet.Answer {
	element, _ := proto.Marshal(m)
	element = protowire.AppendString(protowire.AppendTag(element, field, protowire.BytesType), text)
	return fleet.Answer{Status: statusOK, Body: protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType),
		element)}
}

// TestAnswersAreAboutTheirNode checks for every verb that an answer about another node, or in a form that no node
// gives, is not used: its node is named as one that failed, with the reason, and in an event.
func TestAnswersAreAboutTheirNode(t *testing.T) {
	list := func(n *scripted) (proto.Message, error) {
		r, err := n.ListConnections(t.Context(), &pb.ListConnectionsRequest{PageSize: 2, Scope: scopeOf("a")})
		if len(r.ProtoReflect().GetUnknown()) > 0 || r.GetNextPageToken() != "" {
			t.Error("rows were passed on")
		}
		return r, err
	}
	bans := func(n *scripted) (proto.Message, error) {
		return n.ListBans(t.Context(), &pb.ListBansRequest{PageSize: 2, Scope: scopeOf("a")})
	}
	count := func(n *scripted) (proto.Message, error) {
		return n.CountConnections(t.Context(), &pb.CountConnectionsRequest{By: "listener", Scope: scopeOf("a")})
	}
	get := func(n *scripted) (proto.Message, error) {
		return n.GetConnection(t.Context(), &pb.GetConnectionRequest{Id: "a.2.1"})
	}
	send := func(n *scripted) (proto.Message, error) {
		return n.Send(t.Context(), &pb.SendRequest{Id: "a.2.1", Data: []byte("x")})
	}
	broadcast := func(n *scripted) (proto.Message, error) {
		return n.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x"), Scope: scopeOf("a")})
	}
	kick := func(n *scripted) (proto.Message, error) {
		return n.Kick(t.Context(), &pb.KickRequest{ConnectionIds: []string{"a.2.1", "a.2.2"}})
	}
	kickBy := func(n *scripted) (proto.Message, error) {
		return n.Kick(t.Context(), &pb.KickRequest{Filter: "true", Scope: scopeOf("a")})
	}
	label := func(n *scripted) (proto.Message, error) {
		return n.SetLabels(t.Context(), &pb.SetLabelsRequest{ConnectionIds: []string{"a.2.1"},
			Set: map[string]string{"k": "v"}})
	}
	labelBy := func(n *scripted) (proto.Message, error) {
		return n.SetLabels(t.Context(), &pb.SetLabelsRequest{Filter: "true", Set: map[string]string{"k": "v"},
			Scope: scopeOf("a")})
	}
	describe := func(n *scripted) (proto.Message, error) {
		return n.GetGateway(t.Context(), &pb.GetGatewayRequest{Scope: scopeOf("a")})
	}
	limits := func(n *scripted) (proto.Message, error) {
		return n.GetLimits(t.Context(), &pb.GetLimitsRequest{Scope: scopeOf("a")})
	}
	update := func(n *scripted) (proto.Message, error) {
		return n.UpdateLimits(t.Context(), &pb.UpdateLimitsRequest{Limits: &pb.Limits{}, Scope: scopeOf("a")})
	}
	addBan := func(n *scripted) (proto.Message, error) {
		return n.AddBan(t.Context(), &pb.AddBanRequest{Target: "192.0.2.1", Scope: scopeOf("a")})
	}
	removeBan := func(n *scripted) (proto.Message, error) {
		return n.RemoveBan(t.Context(), &pb.RemoveBanRequest{Target: "192.0.2.1", Scope: scopeOf("a")})
	}
	shutdown := func(n *scripted) (proto.Message, error) {
		return n.Shutdown(t.Context(), &pb.ShutdownRequest{Scope: scopeOf("a")})
	}
	attached := func(n *scripted) (proto.Message, error) {
		r, err := n.ListInstances(t.Context(), &pb.ListInstancesRequest{Handler: "chat", Scope: scopeOf("a")})
		if len(r.GetInstances())+len(r.GetHandlers()) > 0 {
			t.Error("rows were passed on")
		}
		return r, err
	}
	drain := func(n *scripted) (proto.Message, error) {
		return n.DrainInstance(t.Context(), &pb.DrainInstanceRequest{Handler: "chat", Instance: "p", Scope: scopeOf("a")})
	}
	instance := func(handler, name, node string) proto.Message {
		return &pb.ListInstancesResponse{Instances: []*pb.Instance{{Handler: handler, Instance: name, Node: node}}}
	}
	handlers := func(node string, names ...string) proto.Message {
		r := &pb.ListInstancesResponse{}
		for _, name := range names {
			r.Handlers = append(r.Handlers, &pb.HandlerStatus{Handler: name, Node: node})
		}
		return r
	}
	target := func(id string) []*pb.TargetOutcome {
		return []*pb.TargetOutcome{{Id: id, Outcome: pb.Outcome_OUTCOME_KICKED}}
	}
	own := &pb.Connection{Id: "a.2.1", Node: "a"}
	described := func(change func(*pb.GetGatewayResponse)) proto.Message {
		r := &pb.GetGatewayResponse{Node: "a", Incarnation: "2"}
		change(r)
		return r
	}
	ban := func(node, target string, identity bool) *pb.Ban {
		return &pb.Ban{Node: node, Target: target, Identity: identity}
	}
	others := &pb.FleetResult{Nodes: []*pb.NodeResult{{Node: "m"}}}
	for name, c := range map[string]struct {
		call  func(*scripted) (proto.Message, error)
		forge any // a message, or an answer
	}{
		"row of another node": {list, rows(func(c *pb.Connection) { c.Id, c.Node = "m.1.1", "m" })},
		"ID of another node":  {list, rows(func(c *pb.Connection) { c.Id = "m.1.1" })},
		"ID of another life":  {list, rows(func(c *pb.Connection) { c.Id = "a.1.1" })},
		"longer life":         {list, rows(func(c *pb.Connection) { c.Id = "a.22.1" })},
		"ID with a line":      {list, rows(func(c *pb.Connection) { c.Id = "a.2.1\nm.1.1" })},
		"ID that is none":     {list, rows(func(c *pb.Connection) { c.Id = "a.2.01" })},
		"ID of seq 0":         {list, rows(func(c *pb.Connection) { c.Id = "a.2.0" })},
		"ID beyond 64 bits":   {list, rows(func(c *pb.Connection) { c.Id = "a.2.18446744073709551616" })},
		"no ID":               {list, rows(func(c *pb.Connection) { c.Id = "" })},
		"node of another":     {list, rows(func(c *pb.Connection) { c.Node = "m" })},
		"no node":             {list, rows(func(c *pb.Connection) { c.Node = "" })},
		"second ID":           {list, twice(own, 1, "m.1.1")},
		"second node":         {list, twice(own, 2, "m")},
		"large text":          {list, rows(func(c *pb.Connection) { c.Listener = strings.Repeat("x", 5000) })},
		"text that is none":   {list, twice(own, 3, "\xff")},
		"time that is none": {list,
			rows(func(c *pb.Connection) { c.ClosedAt = &timestamppb.Timestamp{Nanos: -1} })},
		"too many rows":            {list, &pb.ListConnectionsResponse{Connections: []*pb.Connection{own, own, own}}},
		"token with a line":        {list, &pb.ListConnectionsResponse{NextPageToken: "a\nb"}},
		"large token":              {list, &pb.ListConnectionsResponse{NextPageToken: strings.Repeat("a", 4000)}},
		"cursor of another":        {list, &pb.ListConnectionsResponse{Cursor: "m.1@1"}},
		"result of another":        {list, &pb.ListConnectionsResponse{Fleet: others}},
		"ban of another":           {bans, &pb.ListBansResponse{Bans: []*pb.Ban{{Node: "m"}}}},
		"negative size":            {bans, &pb.ListBansResponse{TotalSize: -1}},
		"count's cursor":           {count, &pb.CountConnectionsResponse{Cursor: "m.1@1"}},
		"negative count":           {count, &pb.CountConnectionsResponse{TotalSize: math.MinInt64}},
		"many groups":              {count, &pb.CountConnectionsResponse{Groups: make([]*pb.ConnectionGroup, 2000)}},
		"another connection":       {get, &pb.GetConnectionResponse{Connection: &pb.Connection{Id: "m.1.1", Node: "m"}}},
		"not the connection":       {get, &pb.GetConnectionResponse{Connection: &pb.Connection{Id: "a.2.9", Node: "a"}}},
		"no connection":            {get, &pb.GetConnectionResponse{}},
		"send's result of another": {send, &pb.SendResponse{Fleet: others}},
		"failure of another":       {broadcast, &pb.BroadcastResponse{Failures: target("m.1.1")}},
		"failure with a line":      {broadcast, &pb.BroadcastResponse{Failures: target("a.2.1\n")}},
		"outcome of another":       {kick, &pb.KickResponse{Outcomes: target("m.1.1")}},
		"outcome at another place": {kick, &pb.KickResponse{Outcomes: target("a.2.2")}},
		"too many outcomes": {kick,
			&pb.KickResponse{Outcomes: append(target("a.2.1"), append(target("a.2.2"), target("a.2.3")...)...)}},
		"filter's outcome of another": {kickBy, &pb.KickResponse{Outcomes: target("m.1.1")}},
		"label of another":            {label, &pb.SetLabelsResponse{Outcomes: target("m.1.1")}},
		"filter's label of another":   {labelBy, &pb.SetLabelsResponse{Outcomes: target("m.1.1")}},
		"gateway of another":          {describe, &pb.GetGatewayResponse{Node: "m", Incarnation: "2"}},
		"gateway's other life":        {describe, &pb.GetGatewayResponse{Node: "a", Incarnation: "3"}},
		"gateway's cursor":            {describe, &pb.GetGatewayResponse{Node: "a", Incarnation: "2", Cursor: "m.1@1"}},
		"gateway's fleet": {describe,
			described(func(r *pb.GetGatewayResponse) { r.FleetInfo = &pb.FleetInfo{Name: "other"} })},
		"gateway's caller": {describe,
			described(func(r *pb.GetGatewayResponse) { r.Caller = &pb.Caller{Identity: "root"} })},
		"limits of another":         {limits, &pb.GetLimitsResponse{Nodes: []*pb.NodeLimits{{Node: "m"}}}},
		"new limits of another":     {update, &pb.UpdateLimitsResponse{Nodes: []*pb.NodeLimits{{Node: "m"}}}},
		"new ban of another":        {addBan, &pb.AddBanResponse{Ban: &pb.Ban{Node: "m", Target: "192.0.2.1/32"}}},
		"ban of another target":     {addBan, &pb.AddBanResponse{Ban: &pb.Ban{Node: "a", Target: "0.0.0.0/0"}}},
		"ban of an identity":        {addBan, &pb.AddBanResponse{Ban: ban("a", "192.0.2.1", true)}},
		"old ban of another":        {removeBan, &pb.RemoveBanResponse{Ban: &pb.Ban{Node: "m", Target: "192.0.2.1/32"}}},
		"old ban of another target": {removeBan, &pb.RemoveBanResponse{Ban: &pb.Ban{Node: "a", Target: "192.0.2.2/32"}}},
		"drain's result": {shutdown,
			&pb.ShutdownResponse{Deadline: &timestamppb.Timestamp{Seconds: math.MaxInt64}}},
		"instance of another":       {attached, instance("chat", "p", "m")},
		"instance of no node":       {attached, instance("chat", "p", "")},
		"instance without a name":   {attached, instance("chat", "", "a")},
		"instance with a line":      {attached, instance("chat", "p\n", "a")},
		"instance with a long name": {attached, instance("chat", strings.Repeat("p", 65), "a")},
		"instance of no handler":    {attached, instance("", "p", "a")},
		"instance of a bad handler": {attached, instance("Chat", "p", "a")},
		"instance not asked for":    {attached, instance("other", "p", "a")},
		"two nodes of an instance":  {attached, twice(&pb.Instance{Handler: "chat", Instance: "p", Node: "a"}, 3, "m")},
		"instance twice":            {attached, instances("a", "chat/p", "chat/p")},
		"instances out of order":    {attached, instances("a", "chat/q", "chat/p")},
		"many instances": {attached, &pb.ListInstancesResponse{Instances: slices.Repeat([]*pb.Instance{{Handler: "chat",
			Instance: "p", Node: "a"}}, 40_000)}},
		"handler of another":       {attached, handlers("m", "chat")},
		"handler of no node":       {attached, handlers("", "chat")},
		"handler without a name":   {attached, handlers("a", "")},
		"handler with a long name": {attached, handlers("a", strings.Repeat("c", 33))},
		"handler not asked for":    {attached, handlers("a", "other")},
		"handler twice":            {attached, handlers("a", "chat", "chat")},
		"instances' result":        {attached, &pb.ListInstancesResponse{Fleet: others}},
		"drained lanes' result":    {drain, &pb.DrainInstanceResponse{Lanes: 1, Fleet: others}},
		"garbage":                  {shutdown, fleet.Answer{Status: statusOK, Body: []byte{0x0b}}},
	} {
		t.Run(name, func(t *testing.T) {
			n := among(t, func(context.Context, fleet.Asked) fleet.Answer {
				if a, is := c.forge.(fleet.Answer); is {
					return a
				}
				return ok(c.forge.(proto.Message))
			}, other("a", live))
			for range 3 {
				r, err := c.call(n)
				said := fmt.Sprint(n.ErrorOf(err))
				if err == nil {
					said = fmt.Sprint(r)
				}
				if !strings.Contains(said, "its answer is not used") || strings.Contains(said, `id:"m.1.1"`) ||
					err == nil && fleetOf(r).GetComplete() {
					t.Errorf("%s", said)
				}
			}
			v := n.violations()
			if len(v) != 1 || v[0].Node != (event.Origin{Node: "a", Incarnation: "2"}) || v[0].Count != 1 ||
				!strings.HasPrefix(v[0].Message, "it sent ") && !strings.HasPrefix(v[0].Message, "it says ") {
				t.Errorf("published %v", v)
			}
		})
	}
}

func scopeOf(node string) *pb.Scope { return &pb.Scope{Nodes: []string{node}} }

func fleetOf(r proto.Message) *pb.FleetResult {
	return r.(interface{ GetFleet() *pb.FleetResult }).GetFleet()
}

// TestWalkIsNotLedAstray checks that a node cannot keep a walk at the same page.
func TestWalkIsNotLedAstray(t *testing.T) {
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return page("same", "a.2.1") }, other("a", live))
	_, results, _ := n.walk(&pb.ListConnectionsRequest{Scope: scopeOf("a")})
	if len(results) != 2 || results[1].GetStatus() != statusError {
		t.Errorf("%v", results)
	}
}

// TestSumsDoNotWrap checks that a node that claims too much does not make the others' part smaller.
func TestSumsDoNotWrap(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "a" {
			return ok(&pb.BroadcastResponse{Matched: math.MaxUint64})
		}
		return ok(&pb.BroadcastResponse{Matched: 5})
	}, other("a", live), other("b", live))
	r, err := n.Broadcast(t.Context(), &pb.BroadcastRequest{Data: []byte("x")})
	check(t, err)
	if r.GetMatched() != math.MaxUint64 {
		t.Errorf("matched %d", r.GetMatched())
	}
}

// TestErrorsNameTheirNode checks that an error of a node names that node, whatever the node says.
func TestErrorsNameTheirNode(t *testing.T) {
	s := failing(codes.NotFound, "gone")
	s.Err = detailed(t, codes.NotFound, "gone", "CONNECTION_NOT_FOUND", map[string]string{"node": "m"})
	n := among(t, func(context.Context, fleet.Asked) fleet.Answer { return s }, other("a", live))
	_, err := n.GetConnection(t.Context(), &pb.GetConnectionRequest{Id: "a.2.1"})
	if got := infoOf(n.ErrorOf(err)); got.GetMetadata()["node"] != "a" || status.Code(n.ErrorOf(err)) != codes.NotFound {
		t.Errorf("%v", n.ErrorOf(err))
	}
}

// detailed returns an error with an ErrorInfo.
func detailed(t *testing.T, c codes.Code, text, reason string, metadata map[string]string) error {
	t.Helper()
	s, err := status.New(c, text).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: contract.Domain,
		Metadata: metadata})
	check(t, err)
	return s.Err()
}

func infoOf(err error) *errdetails.ErrorInfo {
	for _, d := range status.Convert(err).Details() {
		if info, is := d.(*errdetails.ErrorInfo); is {
			return info
		}
	}
	return nil
}
