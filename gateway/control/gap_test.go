package control_test

import (
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// narrow connects with the smallest window that HTTP/2 allows, so that little is in flight to a caller that does not
// read.
func narrow(t testing.TB, g *gatewaytest.Gateway) pb.GatewayServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(g.Control, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(65535), grpc.WithStaticConnWindowSize(65535))
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewGatewayServiceClient(conn)
}

// commotion publishes n events of some size each, and returns the sequence of the newest.
func commotion(t testing.TB, g *gatewaytest.Gateway, n int) uint64 {
	t.Helper()
	var working sync.WaitGroup
	for range 8 {
		working.Go(func() {
			for range n / 8 {
				if _, err := g.Client.Kick(patiently(t), &pb.KickRequest{ConnectionIds: ids(50), Reason: text(256)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	working.Wait()
	info, err := g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	return sequence(t, info.GetCursor())
}

func smallLog(c *server.Config) { c.EventLogSize = 256 }

// TestOverrun checks that a caller that does not read slows no other, and is told the exact range that it missed.
func TestOverrun(t *testing.T) {
	g := gatewaytest.Start(t, smallLog)
	slow := followClient(t, narrow(t, g), &pb.StreamEventsRequest{After: "0"})
	last := commotion(t, g, 1600)
	missed := expectAccounted(t, slow, 1, last)
	if missed == 0 {
		t.Error("nothing was missed")
	}
	info, err := g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	if got := info.GetTotals().GetEventsMissed(); got != missed {
		t.Errorf("events_missed is %d, the stream was told of %d", got, missed)
	}
}

// expectAccounted reads a stream up to a sequence. It checks that each sequence from first on comes in order, either as
// an event or in a gap. It returns how many were in gaps.
func expectAccounted(t testing.TB, f *follower, first, last uint64) (missed uint64) {
	t.Helper()
	for want := first; want <= last; {
		e := f.next()
		if d := e.GetGap(); d != nil {
			if d.GetFrom() != want || d.GetTo() < d.GetFrom() || d.GetReason() != pb.GapReason_GAP_REASON_OVERRUN &&
				d.GetReason() != pb.GapReason_GAP_REASON_EVICTED ||
				e.GetSequence() != want-1 {
				t.Fatalf("expected %d: %v", want, e)
			}
			missed += d.GetTo() - d.GetFrom() + 1
			want = d.GetTo() + 1
			continue
		}
		if e.GetSequence() != want {
			t.Fatalf("%d %s where %d was expected", e.GetSequence(), e.GetType(), want)
		}
		want++
	}
	return missed
}

// TestEvicted checks that a cursor that is too old yields the exact range that was evicted.
func TestEvicted(t *testing.T) {
	g := gatewaytest.Start(t, smallLog)
	cursor := follow(t, g, &pb.StreamEventsRequest{}).cursor
	last := commotion(t, g, 1000)
	f := follow(t, g, &pb.StreamEventsRequest{After: cursor})
	info, err := g.Client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	e := f.next()
	if d := e.GetGap(); d.GetReason() != pb.GapReason_GAP_REASON_EVICTED || d.GetRequestedCursor() != cursor ||
		d.GetFrom() != sequence(t, cursor)+1 ||
		d.GetTo() != info.GetOldestSequence()-1 {
		t.Fatalf("%v; the oldest kept is %d", e, info.GetOldestSequence())
	}
	if missed := expectAccounted(t, f, e.GetGap().GetTo()+1, last); missed != 0 {
		t.Errorf("%d were missed besides", missed)
	}
}

// TestResume checks that a caller that is cut off again and again, and resumes each time, gets every event once.
func TestResume(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := follow(t, g, &pb.StreamEventsRequest{After: "0"})
	done := make(chan uint64, 1)
	var working sync.WaitGroup
	working.Go(func() {
		done <- commotion(t, g, 1600)
		commotion(t, g, 8) // so that the stream goes on until the test has heard which event was the last
	})
	defer working.Wait()
	want := uint64(1)
	for last := ^uint64(0); want <= last; {
		for len(f.queue) == 0 {
			check(t, f.receive())
		}
		for len(f.queue) > 0 { // the whole response, because the cursor is after all of it
			if e := f.next(); e.GetSequence() != want {
				t.Fatalf("%d %s where %d was expected", e.GetSequence(), e.GetType(), want)
			}
			want++
		}
		if sequence(t, f.cursor) != want-1 {
			t.Fatalf("cursor %s behind %d", f.cursor, want-1)
		}
		f.cancel()
		f = follow(t, g, &pb.StreamEventsRequest{After: f.cursor})
		select {
		case last = <-done:
		default:
		}
	}
}
