package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// page is a node's page of a list.
func page(next string, ids ...string) fleet.Answer {
	r := &pb.ListConnectionsResponse{NextPageToken: next}
	for _, id := range ids {
		node, _, _ := strings.Cut(id, ".")
		r.Connections = append(r.Connections, &pb.Connection{Id: id, Node: node})
	}
	return ok(r)
}

// decodedPage is a page as a client gets it.
func (n *scripted) decodedPage(r *pb.ListConnectionsRequest) *pb.ListConnectionsResponse {
	n.t.Helper()
	got, err := n.ListConnections(patiently(n.t), r)
	check(n.t, err)
	b, err := proto.Marshal(got)
	check(n.t, err)
	decoded := &pb.ListConnectionsResponse{}
	check(n.t, proto.Unmarshal(b, decoded))
	return decoded
}

// walk reads all pages. It returns the IDs, the nodes' results, and the number of results on each page.
func (n *scripted) walk(r *pb.ListConnectionsRequest) (ids []string, results []*pb.NodeResult, pages []int) {
	n.t.Helper()
	for {
		p := n.decodedPage(r)
		for _, c := range p.GetConnections() {
			ids = append(ids, c.GetId())
		}
		results, pages = append(results, p.GetFleet().GetNodes()...), append(pages, len(p.GetFleet().GetNodes()))
		if r.PageToken = p.GetNextPageToken(); r.PageToken == "" {
			return ids, results, pages
		}
	}
}

// TestWalkGoesOnAfterTimeout checks that a node that takes all the time of a page does not cost the next node its rows.
func TestWalkGoesOnAfterTimeout(t *testing.T) {
	n := among(t, func(ctx context.Context, a fleet.Asked) fleet.Answer {
		switch {
		case ctx.Err() != nil:
			return fleet.Answer{Status: statusTimedOut, Message: "over before it was asked"}
		case a.Node == "a":
			<-ctx.Done()
			return fleet.Answer{Status: statusTimedOut, Message: "too late"}
		}
		return page("", a.Node+".2.1")
	}, other("a", suspect), other("b", live), other("c", live))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	first, err := n.ListConnections(ctx, &pb.ListConnectionsRequest{})
	check(t, err)
	if r := first.GetFleet(); len(r.GetNodes()) != 1 || r.GetNodes()[0].GetStatus() != statusTimedOut || r.GetComplete() ||
		first.GetNextPageToken() == "" {
		t.Errorf("%v", first)
	}
	ids, results, _ := n.walk(&pb.ListConnectionsRequest{PageToken: first.GetNextPageToken()})
	if strings.Join(ids, " ") != "b.2.1 c.2.1" || len(results) != 3 {
		t.Errorf("%v %v", ids, results)
	}
}

// TestWalkStopsWhenTimeIsOver checks the same for a node that answered in the last moment.
func TestWalkStopsWhenTimeIsOver(t *testing.T) {
	n := among(t, func(ctx context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "a" {
			<-ctx.Done()
		}
		return page("", a.Node+".2.1")
	}, other("a", live), other("b", live))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	first, err := n.ListConnections(ctx, &pb.ListConnectionsRequest{})
	check(t, err)
	if len(first.GetFleet().GetNodes()) != 1 || first.GetNextPageToken() == "" || len(n.asked) != 1 {
		t.Errorf("%v", first)
	}
}

// TestWalkOfMixedVersions checks that a request that one node refuses is that node's error, and that the others are
// listed. If this node refuses it, the error is the call's.
func TestWalkOfMixedVersions(t *testing.T) {
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "b" {
			return failing(codes.InvalidArgument, "no such function")
		}
		return page("", a.Node+".2.1")
	}, other("a", live), other("b", live), other("c", live))
	ids, results, _ := n.walk(&pb.ListConnectionsRequest{Filter: "true"})
	if strings.Join(ids, " ") != "a.2.1 c.2.1" || len(results) != 4 || results[1].GetStatus() != statusError ||
		results[1].GetMessage() != "no such function" {
		t.Errorf("%v %v", ids, results)
	}
	_, err := n.ListConnections(t.Context(), &pb.ListConnectionsRequest{Filter: "nonsense +",
		Scope: &pb.Scope{Nodes: []string{"a", "m"}}})
	expectFailure(t, n.ErrorOf(err), codes.InvalidArgument, "INVALID_FILTER")
}

// TestWalkOfAThousand checks the cost of a walk with many nodes. Two are asked for a page. Nodes that cannot be asked
// are passed over and named. A page has no more rows than it was asked for.
func TestWalkOfAThousand(t *testing.T) {
	var members []member.Member
	for i := range 1000 {
		state := live
		if i%10 == 0 {
			state = unreachable
		}
		members = append(members, other(fmt.Sprintf("n%04d", i), state))
	}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer { return page("") }, members...)
	ids, results, pages := n.walk(&pb.ListConnectionsRequest{Filter: "false"})
	if len(ids) != 0 || len(results) != 1001 || len(n.asked) != 900 || len(pages) != 451 {
		t.Errorf("%d rows, %d results, %d asked, %d pages", len(ids), len(results), len(n.asked), len(pages))
	}
	for i := range n.script.Members {
		n.script.Members[i].State = unreachable
	}
	_, results, pages = n.walk(&pb.ListConnectionsRequest{})
	if len(results) != 1001 || len(pages) != 1 || results[1000].GetStatus() != statusUnreachable {
		t.Errorf("%d results, pages %v", len(results), pages)
	}
}

// TestWalkWithChanges checks the results of a walk while nodes join, leave, restart or fail at each of its places.
func TestWalkWithChanges(t *testing.T) {
	rows := map[string]int{"a": 3, "b": 3, "c": 3}
	gone := map[string]fleet.Answer{}
	answer := func(_ context.Context, a fleet.Asked) fleet.Answer {
		if x, failed := gone[a.Node]; failed {
			return x
		}
		r := &pb.ListConnectionsRequest{}
		_ = proto.Unmarshal(a.Body, r)
		var from int
		_, _ = fmt.Sscan(r.GetPageToken(), &from)
		var ids []string
		for from < rows[a.Node] && len(ids) < int(r.GetPageSize()) {
			from++
			ids = append(ids, fmt.Sprintf("%s.2.%d", a.Node, from))
		}
		if from < rows[a.Node] {
			return page(fmt.Sprint(from), ids...)
		}
		return page("", ids...)
	}
	for _, c := range []struct {
		name    string
		change  func(n *scripted)
		want    string // rows after the first page, which has a1 and a2
		results string
	}{
		{"nothing", func(*scripted) {}, "a.2.3 b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3", "a:OK b:OK b:OK c:OK c:OK m:OK"},
		{"a leaves", func(n *scripted) { n.script.Members[0].State = left }, "b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3",
			"a:LEFT b:OK b:OK c:OK c:OK m:OK"},
		{"a is forgotten", func(n *scripted) { n.script.Members = n.script.Members[1:] },
			"b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3", "a:LEFT b:OK b:OK c:OK c:OK m:OK"},
		{"a is cut off", func(n *scripted) { n.script.Members[0].State = unreachable }, "b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3",
			"a:UNREACHABLE b:OK b:OK c:OK c:OK m:OK"},
		{"a restarts", func(*scripted) { gone["a"] = failing(codes.InvalidArgument, "of another life") },
			"b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3",
			"a:RESTARTED b:OK b:OK c:OK c:OK m:OK"},
		{"a is full", func(*scripted) { gone["a"] = fleet.Answer{Status: statusOverloaded} },
			"b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3",
			"a:OVERLOADED b:OK b:OK c:OK c:OK m:OK"},
		{"a says garbage", func(*scripted) { gone["a"] = fleet.Answer{Status: statusOK, Body: []byte{0x0a, 0xff}} },
			"b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3",
			"a:ERROR b:OK b:OK c:OK c:OK m:OK"},
		{"b leaves", func(n *scripted) { n.script.Members[1].State = left }, "a.2.3 c.2.1 c.2.2 c.2.3",
			"a:OK c:OK c:OK m:OK"},
		{"b times out", func(*scripted) { gone["b"] = fleet.Answer{Status: statusTimedOut} }, "a.2.3 c.2.1 c.2.2 c.2.3",
			"a:OK b:TIMED_OUT c:OK c:OK m:OK"},
		{"all leave", func(n *scripted) { n.script.Members = nil }, "", "a:LEFT m:OK"},
		{"one joins behind", func(n *scripted) {
			n.script.Members = append(n.script.Members,
				other("0", live))
			rows["0"] = 1
		},
			"a.2.3 b.2.1 b.2.2 b.2.3 c.2.1 c.2.2 c.2.3", "a:OK b:OK b:OK c:OK c:OK m:OK"},
		{"one joins ahead", func(n *scripted) {
			n.script.Members = append(n.script.Members,
				other("bb", live))
			rows["bb"] = 1
		},
			"a.2.3 b.2.1 b.2.2 b.2.3 bb.2.1 c.2.1 c.2.2 c.2.3", "a:OK b:OK b:OK bb:OK c:OK c:OK m:OK"},
	} {
		clear(gone)
		n := among(t, answer, other("a", live), other("b", live), other("c", live))
		first := n.decodedPage(&pb.ListConnectionsRequest{PageSize: 2})
		c.change(n)
		ids, results, _ := n.walk(&pb.ListConnectionsRequest{PageSize: 2, PageToken: first.GetNextPageToken()})
		var said []string
		for _, r := range results {
			said = append(said, r.GetNode()+":"+strings.TrimPrefix(r.GetStatus().String(), "NODE_STATUS_"))
		}
		if strings.Join(ids, " ") != c.want || strings.Join(said, " ") != c.results {
			t.Errorf("%s: %v of %v; expected %s of %s", c.name, ids, said, c.want, c.results)
		}
	}
}

// TestPageFitsClients checks that the rows of two nodes, at their largest, with the statuses of a thousand others, stay
// below the size that gRPC clients accept.
func TestPageFitsClients(t *testing.T) {
	large := func(node string, size int) fleet.Answer {
		r := &pb.ListConnectionsResponse{}
		for seq := 1; ; seq++ {
			c := &pb.Connection{Id: fmt.Sprintf("%s.2.%d", node, seq), Node: node, Labels: make(map[string]string)}
			for i := range 8 {
				c.Labels[fmt.Sprint(i)] = strings.Repeat("x", 700)
			}
			if r.Connections = append(r.Connections, c); proto.Size(r) > size {
				c.Labels = nil
				c.CloseText = strings.Repeat("x", max(0, min(700, size-proto.Size(r))))
				return ok(r)
			}
		}
	}
	size := 512<<10 - 100
	all := &pb.ListConnectionsRequest{PageSize: 1000}
	members := []member.Member{other("a", live), other("b", live)}
	for i := range 1000 {
		members = append(members, other(fmt.Sprintf("aa%030d", i), unreachable))
	}
	n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
		if a.Node == "a" {
			return large(a.Node, size)
		}
		return large(a.Node, 3<<20)
	}, members...)
	got, err := n.ListConnections(t.Context(), all)
	check(t, err)
	if len(n.asked) != 2 || proto.Size(got) >= 4<<20 {
		t.Errorf("%d asked, %d bytes", len(n.asked), proto.Size(got))
	}
	size = 512<<10 + 8000
	got, err = n.ListConnections(t.Context(), all)
	check(t, err)
	if len(n.asked) != 3 || proto.Size(got) >= 4<<20 {
		t.Errorf("%d asked, %d bytes", len(n.asked), proto.Size(got))
	}
}

// FuzzWalkToken checks that a text is refused as a token, or is exactly one that a fleet issues.
func FuzzWalkToken(f *testing.F) {
	whole := fleet.WalkToken{Node: "edge-1", Token: "opaque"}.Encode(fleet.VersionConnections, "x")
	for _, seed := range []string{"", whole, whole[1:], whole + "A", fleet.WalkToken{Node: "a"}.Encode(fleet.VersionBans,
		"x"),
		fleet.WalkToken{Node: "A"}.Encode(fleet.VersionConnections, "x"), fleet.WalkToken{Node: "a"}.Encode(1, "x"), "AAAA",
		whole[:20] + "\n" + whole[20:],
		fleet.WalkToken{Token: strings.Repeat("t", 4000)}.Encode(fleet.VersionConnections, "x")} {
		f.Add(seed)
	}
	for name := 1; name <= 3; name++ { // one of each length; one with bits after its last byte
		s := fleet.WalkToken{Node: strings.Repeat("a", name)}.Encode(fleet.VersionConnections, "x")
		f.Add(s[:len(s)-1] + string(s[len(s)-1]+1))
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := fleet.DecodeWalkToken(s, fleet.VersionConnections, "x")
		if err != nil {
			if w != (fleet.WalkToken{}) {
				t.Fatalf("%q: %v with %v", s, w, err)
			}
			return
		}
		if s != "" && (w.Encode(fleet.VersionConnections, "x") != s || !event.ValidNode(w.Node)) {
			t.Fatalf("%q was read as %+v", s, w)
		}
	})
}

// TestWalkMeetsWhoJoins checks that a walk reaches a node that joins right after the last one of a page. That node may
// have given the last of its rows, or may be the page's second node and not have answered.
func TestWalkMeetsWhoJoins(t *testing.T) {
	for _, c := range []struct {
		of   fleet.Answer // b's answer
		want string
	}{
		{page("", "b.2.1"), "a.2.1 b.2.1 bb.2.1 c.2.1"},
		{fleet.Answer{Status: statusOverloaded}, "a.2.1 bb.2.1 c.2.1"},
	} {
		n := among(t, func(_ context.Context, a fleet.Asked) fleet.Answer {
			if a.Node == "b" {
				return c.of
			}
			return page("", a.Node+".2.1")
		}, other("a", live), other("b", live), other("c", live))
		first := n.decodedPage(&pb.ListConnectionsRequest{PageSize: 2})
		n.script.Members = append(n.script.Members, other("bb", live))
		ids, _, _ := n.walk(&pb.ListConnectionsRequest{PageSize: 2, PageToken: first.GetNextPageToken()})
		for _, c := range first.GetConnections() {
			ids = append(ids, c.GetId())
		}
		if slices.Sort(ids); strings.Join(ids, " ") != c.want {
			t.Errorf("%v; expected %s", ids, c.want)
		}
	}
}
