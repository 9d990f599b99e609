// Package gatewaytest runs a whole gateway inside a test, as net/http/httptest does it with an HTTP server: data plane and
// control plane on ports of their own of 127.0.0.1, and a client that is connected.
//
//	g := gatewaytest.Start(t)
//	conn, err := net.Dial("tcp", g.Addr)
//	...
//	reply, err := g.Client.ListConnections(ctx, &sockgatev1.ListConnectionsRequest{})
package gatewaytest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Gateway is a running gateway.
type Gateway struct {
	Addr    string                  // of the first listener
	Control string                  // address of the control plane
	Client  pb.GatewayServiceClient // connected to it
	Conn    *grpc.ClientConn        // what Client uses
	Server  *server.Server

	control *control.Server
	serving sync.WaitGroup
	stop    sync.Once
}

// Option changes the configuration before the gateway starts.
type Option func(*server.Config)

// Start runs a gateway that echoes and stops it, with all its connections, when the test ends.
func Start(t testing.TB, options ...Option) *Gateway {
	t.Helper()
	return StartControl(t, control.Config{}, insecure.NewCredentials(), options...)
}

// StartControl is Start with a control plane of another configuration, for example with TLS or tokens, and the credentials with which
// Client connects to it. Its drain timeout is the gateway's.
func StartControl(t testing.TB, c control.Config, client credentials.TransportCredentials, options ...Option) *Gateway {
	t.Helper()
	g := &Gateway{}
	config := server.Config{
		Node:         "test",
		Listeners:    []server.ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}},
		Handler:      handler.Echo{},
		DrainTimeout: time.Second,
	}
	for _, o := range options {
		o(&config)
	}
	onDrain := config.OnDrain
	config.OnDrain = func() {
		g.control.SetDraining()
		if onDrain != nil {
			onDrain()
		}
	}
	if err := g.start(config, c, client); err != nil {
		t.Fatalf("gatewaytest: %v", err)
	}
	t.Cleanup(g.Stop)
	return g
}

func (g *Gateway) start(config server.Config, c control.Config, client credentials.TransportCredentials) error {
	var err error
	if g.Server, err = server.New(config); err != nil {
		return err
	}
	if err := g.Server.Listen(); err != nil {
		return err
	}
	info, err := g.Server.Gateway(context.Background())
	if err != nil {
		return err
	}
	g.Addr = info.Listeners[0].Address
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	g.Control = listener.Addr().String()
	if g.Conn, err = grpc.NewClient(g.Control, grpc.WithTransportCredentials(client)); err != nil {
		return err
	}
	g.Client = pb.NewGatewayServiceClient(g.Conn)
	c.DrainTimeout = info.Config.DrainTimeout
	g.control = control.New(g.Server, c)
	g.serving.Go(func() { _ = g.control.Serve(listener) }) // its error can only be that it was stopped
	g.serving.Go(func() {
		_ = g.Server.Serve(context.Background()) // always nil for a server that listens
		g.Server.Log().Close()
	})
	return nil
}

// Stop closes every connection at once and ends the gateway. Start arranges for it; a test may call it earlier.
func (g *Gateway) Stop() {
	g.stop.Do(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.Server.Shutdown(now) // its error is now's
		g.control.Stop(now)
		g.serving.Wait()
		_ = g.Conn.Close()
	})
}
