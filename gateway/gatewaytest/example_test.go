package gatewaytest_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestAnnouncement shows how a back end drives live sockets, and how a test watches it do so.
func TestAnnouncement(t *testing.T) {
	ctx := context.Background()
	g := gatewaytest.Start(t)

	player, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()

	stream, err := g.Client.StreamEvents(ctx, &sockgatev1.StreamEventsRequest{
		After: "0",
		Types: []sockgatev1.EventType{sockgatev1.EventType_EVENT_TYPE_CONNECTED},
	})
	if err != nil {
		t.Fatal(err)
	}
	var batch *sockgatev1.StreamEventsResponse
	for len(batch.GetEvents()) == 0 {
		if batch, err = stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Client.SetLabels(ctx, &sockgatev1.SetLabelsRequest{
		ConnectionIds: []string{batch.GetEvents()[0].GetConnection().GetId()},
		Set:           map[string]string{"room": "lobby"},
	}); err != nil {
		t.Fatal(err)
	}

	reply, err := g.Client.Broadcast(ctx, &sockgatev1.BroadcastRequest{
		Data:      []byte("the server restarts at noon\n"),
		Filter:    `labels["room"] == "lobby"`,
		RequestId: "7b7c4ff6-5f6c-4a6c-9f0e-2f4a9a1c1d11", // makes a retry safe
	})
	if err != nil {
		t.Fatal(err)
	}
	if reply.GetMatched() != 1 || reply.GetWritten()+reply.GetQueued() != 1 {
		t.Errorf("broadcast: %v", reply)
	}
	line, err := bufio.NewReader(player).ReadString('\n')
	if got, want := fmt.Sprint(line, err), "the server restarts at noon\n<nil>"; got != want {
		t.Errorf("the player got %q, want %q", got, want)
	}
}
