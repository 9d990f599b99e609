package handler_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// A server greets a client, echoes each read after a prefix, and finishes when the client does.
func Example() {
	srv, err := server.New(server.Config{
		Node:      "edge-1",
		Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}},
		Handler:   handler.Echo{Greeting: []byte("welcome\n"), Prefix: []byte("> ")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := srv.Listen(); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	served := make(chan error)
	go func() { served <- srv.Serve(ctx) }()
	gateway := srv.Gateway()

	client, err := net.Dial("tcp", gateway.Listeners[0].Address)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprintln(client, "hello")
	client.(*net.TCPConn).CloseWrite()
	heard, err := io.ReadAll(client)
	fmt.Printf("%s%v\n", heard, err)
	client.Close()
	fmt.Println(srv.Shutdown(ctx), <-served)
	// Output:
	// welcome
	// > hello
	// <nil>
	// <nil> <nil>
}
