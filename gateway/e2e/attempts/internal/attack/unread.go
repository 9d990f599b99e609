package attack

import (
	"context"
	"time"

	"golang.org/x/net/http2"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// manner is how a client does not read.
type manner int

const (
	still manner = iota // no window
	drip                // a byte of window a second
	deaf                // all windows, and nothing is read from the socket
)

func (m manner) config() frames.Config {
	if m == deaf {
		return frames.Config{Unread: true}
	}
	return frames.Config{Window: new(uint32)}
}

// unread makes calls of a method on nine tenths of the streams that a connection has, and reads no response.
func unread(method string, m manner) func(context.Context, *Target, string) {
	requests := map[string]proto.Message{
		"ListConnections": &pb.ListConnectionsRequest{PageSize: 1000},
		"ListBans":        &pb.ListBansRequest{PageSize: 1000},
		"GetGateway":      &pb.GetGatewayRequest{},
	}
	message := frames.Message(requests[method])
	return func(ctx context.Context, t *Target, token string) {
		call := frames.Call{Path: service + method, Token: token}
		t.conn(ctx, m.config(), func(ctx context.Context, c *frames.Conn) error {
			return t.hold(ctx, c, m, func() error {
				_, err := c.Send(call, message)
				return err
			})
		})
	}
}

// hold keeps calls open on nine tenths of a connection's streams. Where the gateway refuses them, it tries less and
// less often, at least once a second.
func (t *Target) hold(ctx context.Context, c *frames.Conn, m manner, begin func() error) error {
	if m == drip {
		go t.drip(ctx, c)
	}
	for wait := pause; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		for c.Open() < t.Streams*9/10 {
			if err := begin(); err != nil {
				return err
			}
			t.tally.Add("calls", 1)
		}
		rest(ctx, wait)
		if err := c.Dead(); err != nil {
			return err
		}
	}
	return nil
}

// drip gives each stream one byte of window a second.
func (t *Target) drip(ctx context.Context, c *frames.Conn) {
	for ctx.Err() == nil && c.Dead() == nil {
		rest(ctx, time.Second)
		ids := c.Streams()
		_ = c.Write(func(f *http2.Framer) error { // the use of the connection notices its end
			for _, id := range ids {
				if err := f.WriteWindowUpdate(id, 1); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// unreadReflection asks for all descriptors, 50 times on each stream.
func unreadReflection(ctx context.Context, t *Target, token string) {
	ask := frames.Message(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: "sockgate.v1.GatewayService"}})
	call := frames.Call{Path: reflection, Token: token}
	t.conn(ctx, still.config(), func(ctx context.Context, c *frames.Conn) error {
		return t.hold(ctx, c, still, func() error {
			id, err := c.Begin(call)
			for i := 0; err == nil && i < 50; i++ {
				_, err = c.Data(id, ask, len(ask))
			}
			if err == nil {
				err = c.Flush()
			}
			return err
		})
	})
}

// unreadHealth asks for health once on half of the streams, and follows it on the others.
func unreadHealth(ctx context.Context, t *Target, token string) {
	message := frames.Message(&healthpb.HealthCheckRequest{})
	t.conn(ctx, still.config(), func(ctx context.Context, c *frames.Conn) error {
		paths := []string{check, watch}
		return t.hold(ctx, c, still, func() error {
			paths[0], paths[1] = paths[1], paths[0]
			_, err := c.Send(frames.Call{Path: paths[0], Token: token}, message)
			return err
		})
	})
}
