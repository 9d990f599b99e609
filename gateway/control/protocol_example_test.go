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

// shouting is a line protocol. It answers each line in upper case, and labels a connection by `user NAME`.
type shouting struct{ server.BaseHandler }

func (shouting) Data(c *server.Conn, p []byte) {
	rest, _ := c.Value().([]byte) // a line may come in several reads
	rest = append(rest, p...)
	for line, after, ok := bytes.Cut(rest, []byte("\n")); ok; line, after, ok = bytes.Cut(rest, []byte("\n")) {
		if name, ok := bytes.CutPrefix(line, []byte("user ")); ok {
			_ = c.SetLabel("user", string(name)) // a name that is too long leaves the connection without a label
		}
		fmt.Fprintf(c, "%s\n", bytes.ToUpper(line)) // never blocks; a peer that does not read is closed as a slow consumer
		rest = after
	}
	if c.SetValue(rest); len(rest) > 1000 {
		c.Abort(server.ReasonHandler) // the line has no end
	}
}

// A program serves its own line protocol with a control plane. `ctl --gateway ADDR list --filter 'labels["user"] ==
// "ann"'` shows the connection, and `ctl --gateway ADDR broadcast TEXT` makes the same call as the client below.
func Example_lineProtocol() {
	ctx := context.Background()
	srv, err := server.New(server.Config{Handler: shouting{},
		Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}}})
	if err != nil || srv.Listen() != nil {
		panic("the server cannot listen")
	}
	plane := control.New(srv, control.Config{})
	admin, err := net.Listen("tcp", "127.0.0.1:0") // ADDR
	if err != nil {
		panic(err)
	}
	go func() { _ = plane.Serve(admin) }()
	served := make(chan error)
	go func() { served <- srv.Serve(ctx) }()

	device, _ := net.Dial("tcp", srv.Gateway().Listeners[0].Address)
	answers := bufio.NewScanner(device)
	fmt.Fprintln(device, "user ann")
	fmt.Println(answers.Scan(), answers.Text())

	conn, _ := grpc.NewClient(admin.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	reply, err := pb.NewGatewayServiceClient(conn).Broadcast(ctx,
		&pb.BroadcastRequest{Data: []byte("hi ann\n"), Filter: `labels["user"] == "ann"`})
	fmt.Println(reply.GetWritten(), err, answers.Scan(), answers.Text())

	device.Close()
	fmt.Println(srv.Shutdown(ctx), <-served, conn.Close())
	srv.Log().Close()
	plane.Stop(ctx)
	// Output:
	// true USER ANN
	// 1 <nil> true hi ann
	// <nil> <nil> <nil>
}
