package gatewaytest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// exampleT stands in for the *testing.T that an example does not have.
type exampleT struct {
	testing.TB
	cleanup func()
}

func (*exampleT) Helper() {}

func (t *exampleT) Cleanup(f func()) { t.cleanup = f }

func (*exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// A test connects as a device does, sees the connection through the control plane, and kicks it. The t of a real test
// is its *testing.T, which stops the gateway by itself.
func Example() {
	t, ctx := new(exampleT), context.Background()
	g := gatewaytest.Start(t)
	defer t.cleanup()

	device, err := net.Dial("tcp", g.Addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer device.Close()
	fmt.Fprint(device, "hello")
	answer := make([]byte, len("hello"))
	_, err = io.ReadFull(device, answer)
	fmt.Printf("%s %v\n", answer, err)

	page, err := g.Client.ListConnections(ctx, &pb.ListConnectionsRequest{Filter: `bytes_received == 5`})
	fmt.Println(len(page.GetConnections()), err)
	reply, err := g.Client.Kick(ctx, &pb.KickRequest{Filter: "true", Farewell: []byte("goodbye")})
	fmt.Println(reply.GetMatched(), err)
	farewell, err := io.ReadAll(device)
	fmt.Printf("%s %v\n", farewell, err)
	// Output:
	// hello <nil>
	// 1 <nil>
	// 1 <nil>
	// goodbye <nil>
}

// An option changes the configuration, here the handler.
func ExampleOption() {
	t := new(exampleT)
	g := gatewaytest.Start(t, func(c *server.Config) { c.Handler = handler.Sink{Greeting: []byte("welcome")} })
	defer t.cleanup()

	device, err := net.Dial("tcp", g.Addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer device.Close()
	greeting := make([]byte, len("welcome"))
	_, err = io.ReadFull(device, greeting)
	fmt.Printf("%s %v\n", greeting, err)
	// Output: welcome <nil>
}

// TestAnnouncement shows how a back end drives live sockets, and how a test watches it.
func TestAnnouncement(t *testing.T) {
	ctx := context.Background()
	g := gatewaytest.Start(t)

	player, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()

	stream, err := g.Client.StreamEvents(ctx, &pb.StreamEventsRequest{
		After: "0",
		Types: []pb.EventType{pb.EventType_EVENT_TYPE_CONNECTED},
	})
	if err != nil {
		t.Fatal(err)
	}
	var batch *pb.StreamEventsResponse
	for len(batch.GetEvents()) == 0 {
		if batch, err = stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Client.SetLabels(ctx, &pb.SetLabelsRequest{
		ConnectionIds: []string{batch.GetEvents()[0].GetConnection().GetId()},
		Set:           map[string]string{"room": "lobby"},
	}); err != nil {
		t.Fatal(err)
	}

	reply, err := g.Client.Broadcast(ctx, &pb.BroadcastRequest{
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
