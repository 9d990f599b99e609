//go:build linux

package siege

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Probe is an act of somebody who must be served, again and again.
type Probe struct {
	Name   string
	Record Record
	try    func(ctx context.Context) error
	began  time.Time
}

// probes are the acts of an administrator, another operator, a viewer, and a new TLS client. Each call has a connection
// of its own but the kick's, which a careful administrator has open already.
func (g *Gateway) probes() (all []*Probe, err error) {
	admin, err := g.Dial("admin")
	if err != nil {
		return nil, err
	}
	kick := &Probe{Name: "kick"}
	kick.try = func(ctx context.Context) error {
		return g.kick(ctx, pb.NewGatewayServiceClient(admin), func() { kick.began = time.Now() })
	}
	return []*Probe{
		kick,
		g.call("gateway", "admin", func(ctx context.Context, c pb.GatewayServiceClient) error {
			_, err := c.GetGateway(ctx, &pb.GetGatewayRequest{})
			return err
		}),
		g.call("broadcast", "operator-2", func(ctx context.Context, c pb.GatewayServiceClient) error {
			_, err := c.Broadcast(ctx, &pb.BroadcastRequest{Data: []byte("x"), Filter: "false", RequestId: uuid.NewString()})
			return err
		}),
		g.call("count", "watcher", func(ctx context.Context, c pb.GatewayServiceClient) error {
			_, err := c.CountConnections(ctx, &pb.CountConnectionsRequest{Filter: `listener == "echo"`})
			return err
		}),
		g.call("follow", "watcher", snapshot),
		{Name: "handshake", try: g.handshake},
	}, nil
}

// call is a probe of one call on a new connection.
func (g *Gateway) call(name, caller string, call func(context.Context, pb.GatewayServiceClient) error) *Probe {
	return &Probe{Name: name, try: func(ctx context.Context) error {
		return g.As(caller, func(c pb.GatewayServiceClient) error { return call(ctx, c) })
	}}
}

// run makes the act until the context ends.
func (p *Probe) run(ctx context.Context, every time.Duration) {
	for next := time.Now(); sleepUntil(ctx, next); next = next.Add(every) {
		p.began = time.Now()
		bounded, cancel := context.WithTimeout(ctx, patience)
		err := p.try(bounded)
		cancel()
		if ctx.Err() != nil {
			return
		}
		p.Record.Add(time.Since(p.began), err)
		if late := time.Now(); late.After(next.Add(every)) {
			next = late.Add(-every) // it made fewer acts, and does not make up for them
		}
	}
}

// kick connects a client and kicks it with a filter. The client must see its end.
func (g *Gateway) kick(ctx context.Context, admin pb.GatewayServiceClient, begin func()) error {
	conn, err := g.client(ctx)
	if err != nil {
		return wrap(err, "the client to kick")
	}
	defer conn.Close()
	var reading sync.WaitGroup
	var ended error
	reading.Go(func() {
		_, ended = io.Copy(io.Discard, conn)
		_ = conn.Close()
	})
	begin()
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	reply, err := admin.Kick(ctx, &pb.KickRequest{Filter: "remote_port == " + port,
		FlushTimeout: durationpb.New(time.Second)})
	if err != nil {
		_ = conn.Close()
	}
	reading.Wait()
	if err == nil && reply.GetKicked() != 1 {
		err = fmt.Errorf("kicked %d of %d; expected 1", reply.GetKicked(), reply.GetMatched())
	}
	return errors.Join(err, wrap(ended, "the kicked client"))
}

// client connects a client that has had an echo.
func (g *Gateway) client(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.Echo)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(conn, "hi"); err == nil {
		_, err = io.ReadFull(conn, make([]byte, 2))
	}
	if err != nil {
		_ = conn.Close()
	}
	return conn, err
}

// snapshot begins to follow events, and returns when the first has come.
func snapshot(ctx context.Context, c pb.GatewayServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.StreamEvents(ctx, &pb.StreamEventsRequest{Snapshot: true, Filter: "false"})
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

// handshake makes a TLS handshake and an echo.
func (g *Gateway) handshake(ctx context.Context) error {
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: g.Roots, ServerName: "localhost"}}
	conn, err := dialer.DialContext(ctx, "tcp", g.TLS)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(conn, "hi"); err == nil {
		_, err = io.ReadFull(conn, make([]byte, 2))
	}
	return err
}
