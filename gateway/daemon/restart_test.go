package daemon_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/status"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestQuickRestart checks that a gateway that ends and is started again at once is another incarnation.
func TestQuickRestart(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, stop := range []func(*process){
		func(p *process) { p.signal(syscall.SIGTERM) },
		func(p *process) {
			_, err := p.client.Shutdown(patiently(t), &pb.ShutdownRequest{})
			check(t, err)
		},
		func(p *process) { p.signal(os.Interrupt) },
		func(p *process) { p.signal(os.Kill) },
	} {
		p := spawn(t, "")
		incarnation := p.info().GetIncarnation()
		if seen[incarnation] {
			t.Errorf("%s a second time", incarnation)
		}
		seen[incarnation] = true
		stop(p)
		p.exit()
	}
}

// TestKilled checks that after a kill the IDs, cursors and page tokens of the earlier incarnation can be told from the
// new ones.
func TestKilled(t *testing.T) {
	t.Parallel()
	before := spawn(t, "")
	echo(t, before.dial(), "hi")
	echo(t, before.dial(), "hi")
	page, err := before.client.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageSize: 1})
	check(t, err)
	before.signal(os.Kill)
	before.exit()
	after := spawn(t, "")
	id := page.GetConnections()[0].GetId()
	sent, err := after.client.Send(patiently(t), &pb.SendRequest{Id: id, Data: []byte("x")})
	check(t, err)
	if sent.GetOutcome() != pb.Outcome_OUTCOME_NODE_RESTARTED {
		t.Error(sent)
	}
	_, err = after.client.GetConnection(patiently(t), &pb.GetConnectionRequest{Id: id})
	if !strings.Contains(detailsOf(err), "NODE_RESTARTED") {
		t.Error(err)
	}
	_, err = after.client.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageSize: 1,
		PageToken: page.GetNextPageToken()})
	if !strings.Contains(detailsOf(err), "PAGE_TOKEN_MISMATCH") {
		t.Error(err)
	}
	stream := after.follow(&pb.StreamEventsRequest{After: page.GetCursor()})
	var gap *pb.Event
	until(t, stream, func(e *pb.Event) bool {
		if gap == nil {
			gap = e
		}
		return e.GetType() == pb.EventType_EVENT_TYPE_LISTENING
	})
	if d := gap.GetGap(); d.GetReason() != pb.GapReason_GAP_REASON_RESTARTED ||
		d.GetRequestedCursor() != page.GetCursor() {
		t.Error(gap)
	}
}

func detailsOf(err error) string { return status.Convert(err).Proto().String() }
