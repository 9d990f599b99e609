// Package gatewaytest runs a whole gateway inside a test, as net/http/httptest runs an HTTP server. The data plane and
// the control plane listen on free ports of 127.0.0.1, and a client of the control plane is connected.
//
//	g := gatewaytest.Start(t)
//	conn, err := net.Dial("tcp", g.Addr)
//	...
//	reply, err := g.Client.ListConnections(ctx, &pb.ListConnectionsRequest{})
//
// The gateway is the real one: the packages server and control, configured as a caller of them would. It leaves no
// goroutine behind when the test ends. Tests may run in parallel, each with gateways of its own.
package gatewaytest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Gateway is a running gateway. Its fields do not change, and any goroutine may use them.
type Gateway struct {
	Addr    string                  // address of the first listener, with its real port: `127.0.0.1:port`
	Control string                  // address of the control plane: `127.0.0.1:port`
	Client  pb.GatewayServiceClient // a client of the control plane; Stop ends it
	Conn    *grpc.ClientConn        // the connection under Client, for other services, for example health
	Server  *server.Server          // the gateway's data plane, for calls that need no control plane

	control  *control.Server
	handlers *lane.Table // nil: none
	serving  sync.WaitGroup
	stop     sync.Once
}

// Option changes the configuration before the gateway starts. Options run in order, on a configuration with node
// `test`, one listener `main` on 127.0.0.1:0, handler.Echo and a DrainTimeout of 1 s. An option that adds a listener
// should use port 0 too.
type Option func(*server.Config)

// Start runs a gateway, and stops it with all its connections when the test ends. When Start returns, the gateway
// accepts connections and calls, and its Listening events are in the log. An error, for example of the configuration,
// fails the test with Fatalf: call Start from the test's own goroutine.
func Start(t testing.TB, options ...Option) *Gateway {
	t.Helper()
	return StartControl(t, control.Config{}, insecure.NewCredentials(), options...)
}

// StartControl is Start with a configuration of the control plane, for example with TLS or tokens, and with the
// credentials of Client. Start uses the zero control.Config. The DrainTimeout of control.Config is always replaced by
// the gateway's. Its Handlers are started and stopped with the gateway; an option gives them to listeners.
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
	info := g.Server.Gateway()
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
	if g.handlers = c.Handlers; g.handlers != nil {
		g.handlers.Start(g.Server)
	}
	g.serving.Go(func() { _ = g.control.Serve(listener) }) // fails only because it was stopped
	g.serving.Go(func() {
		_ = g.Server.Serve(context.Background()) // always nil for a server that listens
		if g.handlers != nil {
			g.handlers.Stop()
		}
		g.Server.Log().Close()
	})
	return g.awaitListening()
}

// awaitListening waits until every listener has said that it listens. An event stream that a test opens later does not
// get these events.
func (g *Gateway) awaitListening() error {
	s, err := g.Server.Log().Subscribe(event.Options{After: "0", Types: event.Types(0).With(event.Listening)})
	if err != nil {
		return err
	}
	defer s.Close()
	for left := len(g.Server.Gateway().Listeners); left > 0; {
		events, err := s.Next(context.Background(), nil)
		if err != nil {
			return fmt.Errorf("the gateway ended before it listened: %w", err)
		}
		left -= len(events)
	}
	return nil
}

// Stop closes every connection without waiting for its peer, ends the gateway, and returns when its goroutines have
// ended: within about two seconds. Start arranges a Stop at the end of the test. A test may call Stop earlier, from any
// goroutine. A second Stop does nothing.
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
