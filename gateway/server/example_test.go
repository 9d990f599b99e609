package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"

	"github.com/sockgate/sockgate/gateway/server"
)

// shouter answers every line in upper case.
type shouter struct{ server.BaseHandler }

func (shouter) Data(c *server.Conn, p []byte) {
	partial, _ := c.Value().([]byte) // a line can come in several reads
	lines := append(partial, p...)
	end := bytes.LastIndexByte(lines, '\n') + 1
	if _, err := c.Send(bytes.ToUpper(lines[:end])); err != nil || len(lines)-end > 1000 {
		c.Abort(server.ReasonHandler) // it does not read, or its line has no end
	}
	c.SetValue(lines[end:])
}

// A program serves its own protocol and can see and drive the connections while they live.
func Example() {
	srv, err := server.New(server.Config{
		Node:      "edge-1",
		Listeners: []server.ListenerConfig{{Name: "lines", Address: "127.0.0.1:0"}},
		Handler:   shouter{},
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
	fmt.Fprint(client, "hello\nwor")
	fmt.Fprint(client, "ld\n")
	answer := make([]byte, len("hello\nworld\n"))
	if _, err := io.ReadFull(client, answer); err != nil {
		fmt.Println(err)
	}
	fmt.Print(string(answer))

	page, _ := srv.List(ctx, server.ListRequest{Limit: 10, State: server.ListLive})
	for _, c := range page.Connections {
		fmt.Println(c.State, c.BytesReceived, "bytes in,", c.BytesSent, "out")
		sent, _ := srv.Send(ctx, server.SendRequest{ID: c.ID(), Data: []byte("goodbye\n")})
		fmt.Println(sent.Outcome)
	}
	client.Close()
	fmt.Println(srv.Shutdown(ctx), <-served)
	// Output:
	// HELLO
	// WORLD
	// OPEN 12 bytes in, 12 out
	// WRITTEN
	// <nil> <nil>
}
