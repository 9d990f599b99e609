package control_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// greeter is a line protocol: a line is the user's name, which becomes a label, and the answer is a greeting.
type greeter struct{ server.BaseHandler }

func (greeter) Data(c *server.Conn, p []byte) {
	rest, _ := c.Value().([]byte) // a line may come in several reads
	lines := bytes.SplitAfter(append(rest, p...), []byte("\n"))
	for _, line := range lines[:len(lines)-1] {
		_ = c.SetLabel("user", string(bytes.TrimSpace(line))) // a name that is too long is no label
		fmt.Fprintf(c, "hello %s", line)                      // never blocks; a peer that does not read is closed
	}
	if rest = lines[len(lines)-1]; len(rest) > 1000 {
		c.Abort(server.ReasonHandler) // the line has no end
	}
	c.SetValue(rest)
}

// A program serves a protocol of its own with a control plane. `ctl --gateway ADDR list --filter 'labels["user"] ==
// "ann"'` shows the connection, and `ctl --gateway ADDR broadcast TEXT` makes the same call as the client below.
func Example_lineProtocol() {
	ctx, served := context.Background(), make(chan error)
	srv, _ := server.New(server.Config{Handler: greeter{}, Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}}})
	err := srv.Listen()
	go func() { served <- srv.Serve(ctx) }()
	admin, _ := net.Listen("tcp", "127.0.0.1:0") // ADDR
	plane := control.New(srv, control.Config{})
	go plane.Serve(admin)

	device, _ := net.Dial("tcp", srv.Gateway().Listeners[0].Address)
	fmt.Fprintln(device, "ann")
	answers := bufio.NewScanner(device)
	fmt.Println(err, answers.Scan(), answers.Text())
	conn, _ := grpc.NewClient(admin.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	reply, err := pb.NewGatewayServiceClient(conn).Broadcast(ctx,
		&pb.BroadcastRequest{Data: []byte("maintenance at noon\n"), Filter: `labels["user"] == "ann"`})
	fmt.Println(reply.GetWritten(), err, answers.Scan(), answers.Text())
	fmt.Println(device.Close(), srv.Shutdown(ctx), <-served, conn.Close())
	plane.Stop(ctx)
	// Output:
	// <nil> true hello ann
	// 1 <nil> true maintenance at noon
	// <nil> <nil> <nil> <nil>
}
