package fleet_test

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// expectFailure checks a status's code, the reason in its ErrorInfo, and that its message contains these words.
func expectFailure(t *testing.T, err error, code codes.Code, reason string, words ...string) {
	t.Helper()
	s := status.Convert(err)
	var got string
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			got = info.GetReason()
		}
	}
	if s.Code() != code || got != reason {
		t.Errorf("%s %s: %v; expected %s %s", s.Code(), got, err, code, reason)
	}
	for _, w := range words {
		if !strings.Contains(s.Message(), w) {
			t.Errorf("%q does not say %q", s.Message(), w)
		}
	}
}

// expectComplete checks that all these nodes succeeded.
func expectComplete(t *testing.T, r *pb.FleetResult, nodes ...string) {
	t.Helper()
	var got []string
	for _, n := range r.GetNodes() {
		if n.GetStatus() != pb.NodeStatus_NODE_STATUS_OK || n.GetElapsed() == nil {
			t.Errorf("%v", n)
		}
		got = append(got, n.GetNode())
	}
	if !slices.Equal(got, nodes) || !r.GetComplete() || int(r.GetExpected()) != len(nodes) ||
		int(r.GetAnswered()) != len(nodes) {
		t.Errorf("result %v; expected complete, of %v", r, nodes)
	}
}

func read(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	check(t, err)
	return line
}

// TestList checks that a fleet's list has exactly its nodes' connections, in the order of (node, seq), for every page
// size. Every page can be asked of another node.
func TestList(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "b", "a", "c")
	gates[0].connect(t, 5)
	gates[1].connect(t, 7)
	gates[2].connect(t, 1)
	want := union(t, gates)
	if len(want) != 13 || !strings.HasPrefix(want[0], "a.") {
		t.Fatal(want)
	}
	for size := int32(1); size < 15; size++ {
		r := &pb.ListConnectionsRequest{PageSize: size}
		var got []string
		for i := 0; ; i++ {
			page, err := gates[i%3].client.ListConnections(patiently(t), r)
			check(t, err)
			for _, c := range page.GetConnections() {
				got = append(got, c.GetId())
			}
			if n := len(page.GetFleet().GetNodes()); n < 1 || n > 2 || !page.GetFleet().GetComplete() ||
				len(page.GetConnections()) > int(size) {
				t.Errorf("page of %d: %v", size, page.GetFleet())
			}
			if (page.GetCursor() != "") != (i == 0) {
				t.Errorf("page %d has the cursor %q", i, page.GetCursor())
			}
			if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v; expected %v", size, got, want)
		}
	}
	page, err := gates[0].client.ListConnections(patiently(t),
		&pb.ListConnectionsRequest{Scope: &pb.Scope{Nodes: []string{"c"}}})
	check(t, err)
	if len(page.GetConnections()) != 1 || page.GetNextPageToken() != "" || strings.Contains(page.GetCursor(), "a.") {
		t.Error(page)
	}
	expectComplete(t, page.GetFleet(), "c")
}

// TestListTokens checks what a token is bound to. It also checks a walk whose current node restarts, leaves or is cut
// off.
func TestListTokens(t *testing.T) {
	t.Parallel()
	loop := fleettest.NewLoopback()
	gates := startFleet(t, loop, "a", "b", "c")
	for _, g := range gates {
		g.connect(t, 4)
	}
	a := gates[0].client
	page, err := a.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageSize: 5})
	check(t, err)
	token := page.GetNextPageToken()
	for _, r := range []*pb.ListConnectionsRequest{
		{PageToken: token, Filter: "true"}, {PageToken: token, State: pb.ListState_LIST_STATE_ALL}, {PageToken: token,
			Scope: &pb.Scope{Nodes: []string{"b"}}},
	} {
		_, err := a.ListConnections(patiently(t), r)
		expectFailure(t, err, codes.InvalidArgument, "PAGE_TOKEN_MISMATCH")
	}
	for _, bad := range []string{"x", token[1:], token[:len(token)-1], token + "A", strings.Repeat("A", 5000)} {
		_, err := a.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageToken: bad})
		expectFailure(t, err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
	}
	_, err = a.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageToken: token, Scope: &pb.Scope{Local: true}})
	expectFailure(t, err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
	_, err = a.ListConnections(patiently(t), &pb.ListConnectionsRequest{Filter: "nonsense +"})
	expectFailure(t, err, codes.InvalidArgument, "INVALID_FILTER")

	old := gates[1]
	old.stop() // b leaves in the middle of the walk, and comes back
	eventually(t, "b has left", func() bool { return stateOf(t, gates[0], "b") == pb.NodeState_NODE_STATE_LEFT })
	ids, results := gates[2].list(t, &pb.ListConnectionsRequest{PageSize: 5, PageToken: token})
	if len(ids) != 4 || len(results) != 2 || results[0].GetNode() != "b" ||
		results[0].GetStatus() != pb.NodeStatus_NODE_STATUS_LEFT || results[1].GetNode() != "c" {
		t.Errorf("%v %v", ids, results)
	}
	b := start(t, loop, "b")
	settle(t, gates[0], b, gates[2])
	b.connect(t, 2)
	ids, results = gates[2].list(t, &pb.ListConnectionsRequest{PageSize: 5, PageToken: token})
	if len(ids) != 4 || results[0].GetNode() != "b" || results[0].GetStatus() != pb.NodeStatus_NODE_STATUS_RESTARTED {
		t.Errorf("%v %v", ids, results)
	}
}

// TestByID checks that a request about a connection reaches the node that holds it, from every node, and that the
// reasons for absence are told apart.
func TestByID(t *testing.T) {
	t.Parallel()
	loop := fleettest.NewLoopback()
	gates := startFleet(t, loop, "a", "b", "c")
	for _, holder := range gates {
		for _, asked := range gates {
			conns, ids := holder.connect(t, 1)
			got, err := asked.client.GetConnection(patiently(t), &pb.GetConnectionRequest{Id: ids[0]})
			check(t, err)
			if got.GetConnection().GetId() != ids[0] {
				t.Error(got)
			}
			expectComplete(t, got.GetFleet(), holder.name)
			sent, err := asked.client.Send(patiently(t), &pb.SendRequest{Id: ids[0], Data: []byte("hello\n"),
				Wait: pb.SendWait_SEND_WAIT_WRITTEN})
			check(t, err)
			if line := read(t, bufio.NewReader(conns[0])); sent.GetOutcome() != pb.Outcome_OUTCOME_WRITTEN || line != "hello\n" {
				t.Errorf("%v, %q", sent, line)
			}
			labeled, err := asked.client.SetLabels(patiently(t), &pb.SetLabelsRequest{ConnectionIds: ids,
				Set: map[string]string{"room": "7"}})
			check(t, err)
			kicked, err := asked.client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: ids,
				FlushTimeout: durationpb.New(time.Millisecond)})
			check(t, err)
			if labeled.GetLabeled() != 1 || kicked.GetKicked() != 1 || kicked.GetOutcomes()[0].GetId() != ids[0] {
				t.Errorf("%v %v", labeled, kicked)
			}
			expectComplete(t, kicked.GetFleet(), holder.name)
		}
	}
	a, b := gates[0], gates[1]
	_, live := b.connect(t, 1)
	life := strings.Split(live[0], ".")[1]
	ids := []string{"x.1.1", "b.1.1", "b.ffffffffffff.1", "b." + life + ".99", "nonsense", live[0], "a.1.1", live[0]}
	kicked, err := a.client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: ids,
		FlushTimeout: durationpb.New(time.Millisecond)})
	check(t, err)
	want := []pb.Outcome{pb.Outcome_OUTCOME_UNKNOWN_NODE, pb.Outcome_OUTCOME_NODE_RESTARTED,
		pb.Outcome_OUTCOME_NODE_UNREACHABLE, pb.Outcome_OUTCOME_NOT_FOUND,
		pb.Outcome_OUTCOME_MALFORMED_ID, pb.Outcome_OUTCOME_KICKED, pb.Outcome_OUTCOME_NODE_RESTARTED,
		pb.Outcome_OUTCOME_CLOSED}
	for i, o := range kicked.GetOutcomes() {
		if o.GetId() != ids[i] || o.GetOutcome() != want[i] && !(want[i] == pb.Outcome_OUTCOME_KICKED &&
			o.GetOutcome() == pb.Outcome_OUTCOME_KICKED_UNFLUSHED) {
			t.Errorf("%v; expected %s %s", o, ids[i], want[i])
		}
	}
	if kicked.GetMatched() != 8 || kicked.GetKicked() != 1 || kicked.GetClosed() != 1 || kicked.GetNotFound() != 5 {
		t.Error(kicked)
	}
	for id, reason := range map[string]string{"x.1.1": "UNKNOWN_NODE", "b.1.1": "NODE_RESTARTED", "b." + life +
		".99": "CONNECTION_NOT_FOUND"} {
		_, err := a.client.GetConnection(patiently(t), &pb.GetConnectionRequest{Id: id})
		expectFailure(t, err, codes.NotFound, reason, id)
	}
	local, err := a.client.Send(patiently(t), &pb.SendRequest{Id: live[0], Data: []byte("x"),
		Scope: &pb.Scope{Local: true}})
	check(t, err)
	if local.GetOutcome() != pb.Outcome_OUTCOME_UNKNOWN_NODE {
		t.Error(local)
	}
}

// TestMany checks that a request for many connections reaches each once, on every node, and that the counts add up.
func TestMany(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b", "c", "d", "e") // more than are asked one by one
	var readers []*bufio.Reader
	for i, g := range gates {
		conns, _ := g.connect(t, i+1)
		for _, c := range conns {
			readers = append(readers, bufio.NewReader(c))
		}
	}
	for i, g := range gates {
		sent, err := g.client.Broadcast(patiently(t), &pb.BroadcastRequest{Data: fmt.Appendf(nil, "%d\n", i)})
		check(t, err)
		if sent.GetMatched() != 15 || sent.GetWritten() != 15 || sent.GetReplayed() {
			t.Error(sent)
		}
		expectComplete(t, sent.GetFleet(), "a", "b", "c", "d", "e")
		for k, n := range sent.GetFleet().GetNodes() {
			if n.GetCounts()["matched"] != uint64(k+1) || n.GetCounts()["written"] != uint64(k+1) || len(n.GetCounts()) != 2 {
				t.Error(n)
			}
		}
	}
	for _, r := range readers {
		for i := range gates {
			if got := read(t, r); got != fmt.Sprintf("%d\n", i) {
				t.Fatalf("%q; expected broadcast %d once", got, i)
			}
		}
	}
	labeled, err := gates[1].client.SetLabels(patiently(t), &pb.SetLabelsRequest{Filter: `node != "c"`,
		Set: map[string]string{"room": "7"}})
	check(t, err)
	counted, err := gates[2].client.CountConnections(patiently(t), &pb.CountConnectionsRequest{By: "labels.room"})
	check(t, err)
	if labeled.GetLabeled() != 12 || counted.GetCount() != 15 || counted.GetTotalSize() != 15 ||
		len(counted.GetGroups()) != 2 ||
		counted.GetGroups()[0].GetValue() != "7" || counted.GetGroups()[0].GetCount() != 12 ||
		counted.GetGroups()[1].GetCount() != 3 {
		t.Errorf("%v %v", labeled, counted)
	}
	would, err := gates[3].client.Kick(patiently(t), &pb.KickRequest{Filter: `labels.room == "7"`, ValidateOnly: true})
	check(t, err)
	kicked, err := gates[3].client.Kick(patiently(t), &pb.KickRequest{Filter: `labels.room == "7"`,
		FlushTimeout: durationpb.New(time.Millisecond), Scope: &pb.Scope{Nodes: []string{"e", "a"}}})
	check(t, err)
	if would.GetMatched() != 12 || would.GetKicked() != 12 || len(would.GetOutcomes()) != 12 || kicked.GetKicked() != 6 {
		t.Errorf("%v %v", would, kicked)
	}
	expectComplete(t, kicked.GetFleet(), "a", "e")
	if got := len(union(t, gates)); got != 9 {
		t.Errorf("%d are left", got)
	}
}

// TestRequestID checks that a broadcast that is retried at another node reaches no connection twice.
func TestRequestID(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b")
	conns, _ := gates[1].connect(t, 1)
	r := &pb.BroadcastRequest{Data: []byte("once\n"), RequestId: "123e4567-e89b-42d3-a456-426614174000"}
	first, err := gates[0].client.Broadcast(patiently(t), r)
	check(t, err)
	again, err := gates[1].client.Broadcast(patiently(t), r)
	check(t, err)
	if first.GetReplayed() || first.GetWritten() != 1 || !again.GetReplayed() || again.GetWritten() != 1 {
		t.Errorf("%v %v", first, again)
	}
	r.Data = []byte("other\n")
	_, err = gates[0].client.Broadcast(patiently(t), r)
	expectFailure(t, err, codes.InvalidArgument, "REQUEST_ID_REUSED")
	reader := bufio.NewReader(conns[0])
	_, err = gates[0].client.Broadcast(patiently(t), &pb.BroadcastRequest{Data: []byte("end\n")})
	check(t, err)
	if a, b := read(t, reader), read(t, reader); a != "once\n" || b != "end\n" {
		t.Errorf("%q %q", a, b)
	}
}

// TestMissing checks that a node that cannot be reached is named, and that the others are asked all the same. With
// require_all it is an error.
func TestMissing(t *testing.T) {
	loop := fleettest.NewLoopback()
	gates := startFleet(t, loop, "a", "b", "c")
	_, ids := gates[2].connect(t, 1)
	gates[1].connect(t, 1)
	loop.Cut("a", "c", true)
	a := gates[0].client
	soon := &pb.Scope{NodeTimeout: durationpb.New(200 * time.Millisecond)}
	sent, err := a.Broadcast(patiently(t), &pb.BroadcastRequest{Data: []byte("x"), Scope: soon})
	check(t, err)
	if f := sent.GetFleet(); sent.GetWritten() != 1 || f.GetComplete() || f.GetExpected() != 3 || f.GetAnswered() != 2 ||
		f.GetNodes()[2].GetStatus() != pb.NodeStatus_NODE_STATUS_TIMED_OUT || f.GetNodes()[2].GetMessage() == "" {
		t.Error(sent)
	}
	single, err := a.Send(patiently(t), &pb.SendRequest{Id: ids[0], Data: []byte("x"), Scope: soon})
	check(t, err)
	kicked, err := a.Kick(patiently(t), &pb.KickRequest{ConnectionIds: ids, Scope: soon,
		FlushTimeout: durationpb.New(time.Millisecond)})
	check(t, err)
	if single.GetOutcome() != pb.Outcome_OUTCOME_UNKNOWN ||
		kicked.GetOutcomes()[0].GetOutcome() != pb.Outcome_OUTCOME_UNKNOWN || kicked.GetFleet().GetComplete() {
		t.Errorf("%v %v", single, kicked)
	}
	_, err = a.GetConnection(patiently(t), &pb.GetConnectionRequest{Id: ids[0], Scope: soon})
	expectFailure(t, err, codes.Unavailable, "NODE_TIMED_OUT", "node c")
	_, err = a.CountConnections(patiently(t), &pb.CountConnectionsRequest{Scope: &pb.Scope{RequireAll: true,
		NodeTimeout: soon.NodeTimeout}})
	expectFailure(t, err, codes.Unavailable, "NODES_MISSING", "c (TIMED_OUT)")
	_, results := gates[0].list(t, &pb.ListConnectionsRequest{Scope: soon})
	if len(results) != 3 || results[2].GetStatus() != pb.NodeStatus_NODE_STATUS_TIMED_OUT {
		t.Error(results)
	}
	gates[0].bus.Connect(false)
	unreachable, err := a.Kick(patiently(t), &pb.KickRequest{ConnectionIds: ids})
	check(t, err)
	if o := unreachable.GetOutcomes()[0].GetOutcome(); o != pb.Outcome_OUTCOME_NODE_UNREACHABLE {
		t.Error(unreachable)
	}
	if n := len(gates[2].localIDs(t)); n != 1 {
		t.Errorf("%d connections at c; expected that nothing was done there", n)
	}
}

// TestScopes checks which scopes are accepted.
func TestScopes(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b")
	a := gates[0].client
	_, err := a.CountConnections(patiently(t), &pb.CountConnectionsRequest{Scope: &pb.Scope{Nodes: []string{"b", "x"}}})
	expectFailure(t, err, codes.InvalidArgument, "UNKNOWN_NODE", "x", "a, b")
	counted, err := a.CountConnections(patiently(t), &pb.CountConnectionsRequest{Scope: &pb.Scope{Local: true}})
	check(t, err)
	expectComplete(t, counted.GetFleet(), "a")
	for _, s := range []*pb.Scope{nil, {Nodes: []string{"a", "b"}}, {RequireAll: true}} {
		_, err = a.Shutdown(patiently(t), &pb.ShutdownRequest{Scope: s})
		expectFailure(t, err, codes.InvalidArgument, "NODE_REQUIRED", "all", "local")
	}
	info, err := a.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	other, err := a.GetGateway(patiently(t), &pb.GetGatewayRequest{Scope: &pb.Scope{Nodes: []string{"b"}}})
	check(t, err)
	if info.GetNode() != "a" || other.GetNode() != "b" || info.GetFleetInfo().GetName() != "test" ||
		other.GetFleetInfo().GetNodes() != 2 || !info.GetFleetInfo().GetConnected() {
		t.Errorf("%v %v", info, other)
	}
	_, err = a.GetGateway(patiently(t), &pb.GetGatewayRequest{Scope: &pb.Scope{All: true}})
	expectFailure(t, err, codes.InvalidArgument, "NODE_REQUIRED")
	nodes, err := a.ListNodes(patiently(t), &pb.ListNodesRequest{})
	check(t, err)
	if n := nodes.GetNodes(); len(n) != 2 || !n[0].GetSelf() || n[1].GetRoundTrip() == nil || n[1].GetLastSeen() == nil ||
		n[1].GetVersion() != "v-b" || n[1].GetUptime().AsDuration() <= 0 {
		t.Error(nodes)
	}
	_, err = a.ForgetNode(patiently(t), &pb.ForgetNodeRequest{Node: "b"})
	expectFailure(t, err, codes.FailedPrecondition, "NODE_LIVE", "b")
	_, err = a.ForgetNode(patiently(t), &pb.ForgetNodeRequest{Node: "x"})
	expectFailure(t, err, codes.NotFound, "UNKNOWN_NODE", "x")
}

// TestBansAndLimits checks that bans and limits apply to all nodes, and that each node's own can be told apart.
func TestBansAndLimits(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b", "c")
	a, b := gates[0].client, gates[1].client
	gates[2].connect(t, 2)
	added, err := a.AddBan(patiently(t), &pb.AddBanRequest{Target: "127.0.0.0/8", Reason: "r"})
	check(t, err)
	if added.GetBan().GetNode() != "a" || added.GetClosed() != 2 || added.GetReplaced() || added.GetDurable() {
		t.Error(added)
	}
	expectComplete(t, added.GetFleet(), "a", "b", "c")
	_, err = a.AddBan(patiently(t), &pb.AddBanRequest{Target: "192.0.2.1", Scope: &pb.Scope{Nodes: []string{"c"}}})
	check(t, err)
	var got []string
	for r := (&pb.ListBansRequest{PageSize: 1}); ; {
		page, err := b.ListBans(patiently(t), r)
		check(t, err)
		for _, ban := range page.GetBans() {
			got = append(got, ban.GetNode()+" "+ban.GetTarget())
		}
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			break
		}
	}
	if !slices.Equal(got, []string{"a 127.0.0.0/8", "b 127.0.0.0/8", "c 127.0.0.0/8", "c 192.0.2.1/32"}) {
		t.Error(got)
	}
	removed, err := b.RemoveBan(patiently(t), &pb.RemoveBanRequest{Target: "192.0.2.1"})
	check(t, err)
	expectComplete(t, removed.GetFleet(), "a", "b", "c")
	if removed.GetBan().GetNode() != "c" {
		t.Error(removed)
	}
	_, err = b.RemoveBan(patiently(t), &pb.RemoveBanRequest{Target: "192.0.2.1"})
	expectFailure(t, err, codes.NotFound, "BAN_NOT_FOUND")
	_, err = b.AddBan(patiently(t), &pb.AddBanRequest{Target: "nonsense"})
	expectFailure(t, err, codes.InvalidArgument, "INVALID_TARGET")

	mask := &fieldmaskpb.FieldMask{Paths: []string{"max_connections", "idle_timeout"}}
	updated, err := b.UpdateLimits(patiently(t), &pb.UpdateLimitsRequest{Limits: &pb.Limits{MaxConnections: 77,
		IdleTimeout: durationpb.New(time.Minute)}, UpdateMask: mask})
	check(t, err)
	expectComplete(t, updated.GetFleet(), "a", "b", "c")
	limits, err := a.GetLimits(patiently(t), &pb.GetLimitsRequest{})
	check(t, err)
	for i, n := range limits.GetNodes() {
		if n.GetNode() != gates[i].name || n.GetLimits().GetMaxConnections() != 77 ||
			updated.GetNodes()[i].GetLimits().GetMaxConnections() != 77 {
			t.Error(n)
		}
	}
	_, err = b.UpdateLimits(patiently(t), &pb.UpdateLimitsRequest{Limits: &pb.Limits{HighWater: 1 << 40},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"high_water"}}})
	expectFailure(t, err, codes.InvalidArgument, "OUT_OF_BOUNDS")
	controls := gates[1].controls(t)
	last := controls[len(controls)-1]
	if last.Verb != "UpdateLimits" || last.Nodes["a"] != "OK" || last.Nodes["c"] != "OK" ||
		last.Changes["idle_timeout"] != "1m0s" || last.Changes["max_connections"] != "77" {
		t.Errorf("%+v", last)
	}
}

// TestAudit checks that a mutation on another node is recorded on both nodes, with its caller, the node that forwarded
// it, and its outcome.
func TestAudit(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b")
	_, ids := gates[1].connect(t, 2)
	_, err := gates[0].client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: ids[:1], Reason: "why",
		FlushTimeout: durationpb.New(time.Millisecond)})
	check(t, err)
	_, err = gates[0].client.Kick(patiently(t), &pb.KickRequest{Filter: "true", ValidateOnly: true})
	check(t, err)
	here, there := gates[0].controls(t), gates[1].controls(t)
	if len(here) != 1 || len(there) != 1 {
		t.Fatalf("%d records here, %d there", len(here), len(there))
	}
	h, o := here[0], there[0]
	if h.Nodes["b"] != "OK" || h.Actor.Via != "" || h.Actor.Identity == "" || h.IDs[0] != ids[0] || h.Reason != "why" ||
		h.Matched != 1 || len(h.Outcomes) != 1 {
		t.Errorf("here %+v", h)
	}
	if o.Actor.Via != "a" || o.Actor.Identity != h.Actor.Identity || o.Actor.Role != "ADMIN" || o.Nodes != nil ||
		o.IDs[0] != ids[0] {
		t.Errorf("there %+v", o)
	}
}

// TestCountCursor checks that the cursor of a count covers every event that happened before the count on the nodes that
// answered, including events that no heartbeat has told yet.
func TestCountCursor(t *testing.T) {
	t.Parallel()
	gates := startFleet(t, fleettest.NewLoopback(), "a", "b", "c")
	gates[1].connect(t, 5)
	var heads event.Vector
	for _, g := range gates {
		info, err := g.client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
		check(t, err)
		head, err := event.ParseCursor(info.GetCursor())
		check(t, err)
		heads = heads.Set(head)
	}
	counted, err := gates[0].client.CountConnections(patiently(t),
		&pb.CountConnectionsRequest{State: pb.ListState_LIST_STATE_CLOSED})
	check(t, err)
	if counted.GetCursor() != heads.String() {
		t.Errorf("%s; expected %s", counted.GetCursor(), heads)
	}
}
