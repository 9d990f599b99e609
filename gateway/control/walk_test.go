package control_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// walk reads all pages and checks what must be true of every page.
func walk(t testing.TB, g *gatewaytest.Gateway, r *pb.ListConnectionsRequest) (rows []*pb.Connection, cursor string) {
	t.Helper()
	for {
		page, err := g.Client.ListConnections(patiently(t), r)
		check(t, err)
		if cursor == "" {
			cursor = page.GetCursor()
		}
		if page.GetCursor() != cursor || cursor == "" {
			t.Fatalf("cursor %q after %q", page.GetCursor(), cursor)
		}
		if limit := r.GetPageSize(); limit > 0 && len(page.GetConnections()) > int(min(limit, 1000)) {
			t.Fatalf("%d rows on a page of %d", len(page.GetConnections()), limit)
		}
		rows = append(rows, page.GetConnections()...)
		if r.PageToken = page.GetNextPageToken(); r.GetPageToken() == "" {
			return rows, cursor
		}
	}
}

// churn connects and disconnects several hundred times, and returns a function that waits for its end. It is finite,
// because a walk that is slower than the new connections would never end.
func churn(t testing.TB, g *gatewaytest.Gateway) (wait func()) {
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 30 {
				conn, err := net.Dial("tcp", g.Addr)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = conn.Write([]byte("x"))
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.Close()
			}
		})
	}
	return running.Wait
}

// TestWalkUnderChurn checks that every connection that lives throughout a walk appears in it exactly once, in order,
// while others come and go.
func TestWalkUnderChurn(t *testing.T) {
	g := gatewaytest.Start(t)
	permanent := make(map[string]int)
	for range 40 {
		_, id := connect(t, g)
		permanent[id] = 0
	}
	for i, r := range []*pb.ListConnectionsRequest{
		{PageSize: 1}, {PageSize: 7}, {}, {PageSize: 17, State: pb.ListState_LIST_STATE_ALL}, {PageSize: 1,
			Filter: "bytes_received >= 2"},
		{PageSize: 1001, State: pb.ListState_LIST_STATE_LIVE}, {PageSize: 25, State: pb.ListState_LIST_STATE_CLOSED},
	} {
		wait := churn(t, g)
		rows, _ := walk(t, g, r)
		wait()
		seen := make(map[string]int)
		last := 0
		for _, row := range rows {
			seen[row.GetId()]++
			seq := 0
			if _, err := fmt.Sscanf(row.GetId()[strings.LastIndexByte(row.GetId(), '.'):], ".%d", &seq); err != nil ||
				seq <= last {
				t.Errorf("walk %d: %s after seq %d, %v", i, row.GetId(), last, err)
			}
			last = seq
		}
		want := 1
		if r.GetState() == pb.ListState_LIST_STATE_CLOSED {
			want = 0
		}
		for id := range permanent {
			if seen[id] != want {
				t.Errorf("walk %d: %s appears %d times; expected %d", i, id, seen[id], want)
			}
		}
	}
}

func TestPageSize(t *testing.T) {
	g := gatewaytest.Start(t)
	const all = 1002
	for range all {
		conn, err := net.Dial("tcp", g.Addr)
		check(t, err)
		defer conn.Close()
	}
	for f := follow(t, g,
		&pb.StreamEventsRequest{After: "0", Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONNECTED}}); ; {
		if f.next().GetConnected().GetConnections() == all {
			break
		}
	}
	for _, c := range []struct{ size, rows int }{{0, 100}, {1, 1}, {100, 100}, {999, 999}, {1000, 1000}, {1001, 1000},
		{1<<31 - 1, 1000}} {
		page, err := g.Client.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageSize: int32(c.size)})
		check(t, err)
		if len(page.GetConnections()) != c.rows || page.GetNextPageToken() == "" || page.GetTotalSize() != all {
			t.Errorf("size %d: %d rows, token %q, total %d", c.size, len(page.GetConnections()),
				page.GetNextPageToken(), page.GetTotalSize())
		}
	}
	if rows, _ := walk(t, g, &pb.ListConnectionsRequest{PageSize: 501}); len(rows) != all {
		t.Errorf("a walk has %d rows of %d", len(rows), all)
	}
	if page, err := g.Client.ListConnections(patiently(t), &pb.ListConnectionsRequest{Filter: "false"}); err != nil ||
		len(page.GetConnections()) != 0 || page.GetTotalSize() != all {
		t.Error(page, err)
	}
	// With all the labels that they may have, a thousand rows are more than a client accepts in one response.
	heavy := make(map[string]string)
	for i := range 16 {
		heavy[fmt.Sprintf("%060d", i)] = text(256)
	}
	labeled, err := g.Client.SetLabels(patiently(t), &pb.SetLabelsRequest{Filter: "true", Set: heavy})
	check(t, err)
	if labeled.GetLabeled() != all {
		t.Fatal(labeled)
	}
	rows, _ := walk(t, g, &pb.ListConnectionsRequest{PageSize: 1000})
	seen := make(map[string]bool)
	for _, row := range rows {
		seen[row.GetId()] = len(row.GetLabels()) == 16
	}
	if len(rows) != all || len(seen) != all {
		t.Errorf("%d rows with %d IDs; expected %d", len(rows), len(seen), all)
	}
}

// TestPageToken checks that a token continues its own walk only.
func TestPageToken(t *testing.T) {
	g, other := gatewaytest.Start(t), gatewaytest.Start(t, renamed("other"))
	dial(t, g)
	dial(t, g)
	dial(t, other)
	dial(t, other)
	token := func(g *gatewaytest.Gateway) string {
		page, err := g.Client.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageSize: 1, Filter: "true"})
		check(t, err)
		return page.GetNextPageToken()
	}
	mine, foreign := token(g), token(other)
	invalid := failure{codes.InvalidArgument, "INVALID_PAGE_TOKEN", "page_token"}
	mismatch := failure{codes.InvalidArgument, "PAGE_TOKEN_MISMATCH", "page_token"}
	for _, c := range []struct {
		request *pb.ListConnectionsRequest
		want    failure
	}{
		{&pb.ListConnectionsRequest{PageToken: "garbage", Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: "\x00", Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: text(1 << 20), Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: mine[:len(mine)-1], Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: mine[:len(mine)-4], Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: mine + "A", Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: mine + "MTIz", Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: mine + "\n", Filter: "true"}, invalid},
		{&pb.ListConnectionsRequest{PageToken: mine, Filter: "true "}, mismatch},
		{&pb.ListConnectionsRequest{PageToken: mine}, mismatch},
		{&pb.ListConnectionsRequest{PageToken: mine, Filter: "true", State: pb.ListState_LIST_STATE_ALL}, mismatch},
		{&pb.ListConnectionsRequest{PageToken: foreign, Filter: "true"}, mismatch},
	} {
		_, err := g.Client.ListConnections(patiently(t), c.request)
		expectFailure(t, err, c.want)
	}
	for _, r := range []*pb.ListConnectionsRequest{
		{PageToken: mine, Filter: "true"},
		// the size may change, and LIVE is the default
		{PageToken: mine, Filter: "true", PageSize: 1000, State: pb.ListState_LIST_STATE_LIVE},
	} {
		page, err := g.Client.ListConnections(patiently(t), r)
		check(t, err)
		if len(page.GetConnections()) != 1 || page.GetNextPageToken() != "" {
			t.Error(page)
		}
	}
}
