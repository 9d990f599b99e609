package ctltest

import (
	"testing"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// FirstConnection waits for a gateway's first connection and returns its ID.
func FirstConnection(t testing.TB, gateway pb.GatewayServiceClient) string {
	t.Helper()
	stream, err := gateway.StreamEvents(t.Context(), &pb.StreamEventsRequest{
		After: "0", Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONNECTED},
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.GetEvents() {
			return e.GetConnection().GetId()
		}
	}
}
