package control_test

import (
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestReplay checks that of many equal requests with one request_id one is carried out, and that all get its answer.
func TestReplay(t *testing.T) {
	g := gatewaytest.Start(t)
	conn, id := connect(t, g)
	other, otherID := connect(t, g)
	request := &pb.BroadcastRequest{Data: []byte("once"), Filter: "true", ExcludeIds: []string{otherID}, RequestId: uuid}
	answers := make([]*pb.BroadcastResponse, 16)
	var calling sync.WaitGroup
	for i := range answers {
		calling.Go(func() {
			r, err := g.Client.Broadcast(patiently(t), request)
			if err != nil {
				t.Error(err)
			}
			answers[i] = r
		})
	}
	calling.Wait()
	first := 0
	for _, a := range answers {
		if !a.GetReplayed() {
			first++
		}
		if a.GetMatched() != 1 || a.GetWritten() != 1 || a.GetQueued()+a.GetDropped()+a.GetClosed() != 0 ||
			len(a.GetFailures()) != 0 {
			t.Error(a)
		}
	}
	if first != 1 {
		t.Errorf("%d were carried out", first)
	}
	for _, change := range []func(*pb.BroadcastRequest){
		func(r *pb.BroadcastRequest) { r.Data = []byte("twice") },
		func(r *pb.BroadcastRequest) { r.Filter = "true " },
		func(r *pb.BroadcastRequest) { r.Filter = "" },
		func(r *pb.BroadcastRequest) { r.ExcludeIds = nil },
		func(r *pb.BroadcastRequest) { r.ExcludeIds = []string{id} },
	} {
		changed := proto.Clone(request).(*pb.BroadcastRequest)
		change(changed)
		_, err := g.Client.Broadcast(patiently(t), changed)
		expectFailure(t, err, failure{codes.InvalidArgument, "REQUEST_ID_REUSED", "request_id"})
	}
	for i, c := range []struct {
		id   string
		data string
	}{{"", "again"}, {"123e4567-e89b-42d3-a456-426614174009", "again"}} {
		r, err := g.Client.Broadcast(patiently(t), &pb.BroadcastRequest{Data: []byte(c.data), RequestId: c.id})
		check(t, err)
		if r.GetReplayed() || r.GetMatched() != 2 || r.GetWritten() != 2 {
			t.Errorf("%d: %v", i, r)
		}
	}
	expectRead(t, conn, "onceagainagain")
	echo(t, conn, "end")
	expectRead(t, other, "againagain")
	echo(t, other, "end")
}
