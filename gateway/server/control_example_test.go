package server_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/server"
	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// A program attaches a control plane to its server: operators then drive it with ctl, and other programs over gRPC.
// The control plane stops after the server, so that an operator can follow the drain.
func Example_controlPlane() {
	srv, err := server.New(server.Config{
		Node:      "edge-1",
		Listeners: []server.ListenerConfig{{Name: "lines", Address: "127.0.0.1:0"}},
		Handler:   shouter{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	admin, err := server.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	plane := control.New(srv, control.Config{}) // callers on loopback may do anything; others nothing
	answered, served := make(chan error), make(chan error)
	go func() { answered <- plane.Serve(admin) }()
	go func() { served <- srv.Serve(ctx) }()

	conn, err := grpc.NewClient(admin.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	client := sockgatev1.NewGatewayServiceClient(conn)
	gateway, err := client.GetGateway(ctx, &sockgatev1.GetGatewayRequest{})
	fmt.Println(gateway.GetNode(), gateway.GetListeners()[0].GetName(), err)
	drain, err := client.Shutdown(ctx, &sockgatev1.ShutdownRequest{Reason: "maintenance"})
	fmt.Println(drain.GetConnections(), "connections", err)

	fmt.Println(<-served)
	srv.Log().Close() // ends the event streams
	plane.Stop(ctx)
	fmt.Println(<-answered, conn.Close())
	// Output:
	// edge-1 lines <nil>
	// 0 connections <nil>
	// <nil>
	// <nil> <nil>
}
