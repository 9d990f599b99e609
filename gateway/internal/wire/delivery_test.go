package wire_test

import (
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	"github.com/sockgate/sockgate/gateway/lane"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestDeliveries checks that every kind of delivery decodes to what it says.
func TestDeliveries(t *testing.T) {
	info := event.Connection{Identity: &event.Identity{Origin: &event.Origin{Node: "n", Incarnation: "1"}, Seq: 7,
		Listener: &event.Listener{Name: "main"}, ConnectedAt: time.Unix(1, 0),
		Remote: netip.MustParseAddrPort("127.0.0.1:2"), Local: netip.MustParseAddrPort("127.0.0.1:3")},
		State: event.StateOpen, CloseReason: event.ReasonKicked, CloseText: "why", UnsentBytes: 9}
	large := make([]byte, 300)
	for _, c := range []struct {
		d    lane.Delivery
		want *pb.AttachResponse
	}{
		{lane.Delivery{Kind: lane.Data, Connection: 300, Position: 1 << 40, Data: large},
			one(&pb.Delivery{Connection: 300, Position: 1 << 40, News: &pb.Delivery_Data{Data: large}})},
		{lane.Delivery{Kind: lane.Data, Connection: 1, Position: 2, Data: []byte{}},
			one(&pb.Delivery{Connection: 1, Position: 2, News: &pb.Delivery_Data{Data: []byte{}}})},
		{lane.Delivery{Kind: lane.Ended, Connection: 1, Position: 2},
			one(&pb.Delivery{Connection: 1, Position: 2, News: &pb.Delivery_Ended{Ended: true}})},
		{lane.Delivery{Kind: lane.Idle, Connection: 1},
			one(&pb.Delivery{Connection: 1, News: &pb.Delivery_Idle{Idle: true}})},
		{lane.Delivery{Kind: lane.Written, Connection: 1}, one(&pb.Delivery{Connection: 1, News: &pb.Delivery_Written{}})},
		{lane.Delivery{Kind: lane.Written, Connection: 1, Written: 5},
			one(&pb.Delivery{Connection: 1, News: &pb.Delivery_Written{Written: 5}})},
		{lane.Delivery{Kind: lane.Moved, Connection: 1},
			one(&pb.Delivery{Connection: 1, News: &pb.Delivery_Closed{Closed: &pb.LaneClosed{Moved: true}}})},
		{lane.Delivery{Kind: lane.Closed, Connection: 1, Position: 2, Info: info},
			one(&pb.Delivery{Connection: 1, Position: 2, News: &pb.Delivery_Closed{Closed: &pb.LaneClosed{
				Reason: pb.CloseReason_CLOSE_REASON_KICKED, Text: "why", UnsentBytes: 9}}})},
		{lane.Delivery{Kind: lane.Reattach, Within: 90 * time.Second},
			&pb.AttachResponse{Reattach: durationpb.New(90 * time.Second)}},
		{lane.Delivery{Kind: lane.Shutdown, Within: time.Millisecond},
			&pb.AttachResponse{Shutdown: durationpb.New(time.Millisecond)}},
	} {
		got := new(pb.AttachResponse)
		if err := proto.Unmarshal(wire.AppendDelivery(nil, &c.d), got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, c.want) {
			t.Errorf("%v; expected %v", got, c.want)
		}
	}
	b := wire.AppendDelivery([]byte(nil), &lane.Delivery{Kind: lane.Opened, Connection: 7, Position: 3, Info: info,
		Sent: 4, State: []byte("state"), Resumed: true, Attempt: 2})
	got := new(pb.AttachResponse)
	if err := proto.Unmarshal(wire.AppendDelivery(b, &lane.Delivery{Kind: lane.Data, Connection: 7, Data: large}),
		got); err != nil {
		t.Fatal(err)
	}
	o := got.GetDeliveries()[0].GetOpened()
	if len(got.GetDeliveries()) != 2 || o.GetConnection().GetId() != "n.1.7" || o.GetSent() != 4 ||
		string(o.GetState()) != "state" || !o.GetResumed() || o.GetAttempt() != 2 {
		t.Errorf("%v", got)
	}
}

func one(d *pb.Delivery) *pb.AttachResponse { return &pb.AttachResponse{Deliveries: []*pb.Delivery{d}} }
