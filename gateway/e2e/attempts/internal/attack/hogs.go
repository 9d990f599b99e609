package attack

import (
	"context"

	"github.com/google/uuid"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// hogConnections opens connections and proves its identity on each with a call.
func hogConnections(ctx context.Context, t *Target, token string) {
	t.conns(ctx, t.Conns/4+10, func(ctx context.Context, c *frames.Conn) error {
		if _, err := c.Ask(frames.Call{Path: service + "GetGateway", Token: token}, &pb.GetGatewayRequest{}); err != nil {
			return err
		}
		return c.Wait(ctx)
	})
}

// hogCalls does the same, and then keeps a call under way on each.
func hogCalls(ctx context.Context, t *Target, token string) {
	t.conns(ctx, t.Conns/4+10, func(ctx context.Context, c *frames.Conn) error {
		for ctx.Err() == nil {
			if err := c.Room(2); err != nil {
				return err
			}
			gateway := frames.Call{Path: service + "GetGateway", Token: token}
			if _, err := c.Ask(gateway, &pb.GetGatewayRequest{}); err != nil {
				return err
			}
			follow := frames.Call{Path: watch, Token: token}
			if _, err := c.Ask(follow, &healthpb.HealthCheckRequest{}); err != nil {
				return err
			}
			rest(ctx, pause)
		}
		return nil
	})
}

// hogStreams follows events on as many streams as it can, which it reads.
func hogStreams(ctx context.Context, t *Target, token string) {
	call := frames.Call{Path: service + "StreamEvents", Token: token}
	message := frames.Message(&pb.StreamEventsRequest{})
	t.conn(ctx, frames.Config{}, func(ctx context.Context, c *frames.Conn) error {
		return t.hold(ctx, c, still, func() error {
			_, err := c.Send(call, message)
			return err
		})
	})
}

// hogRequestIDs broadcasts to nobody with a new request ID each time.
func hogRequestIDs(ctx context.Context, t *Target, token string) {
	t.pipeline(ctx, 1, 50, frames.Call{Path: service + "Broadcast", Token: token}, func() proto.Message {
		return &pb.BroadcastRequest{Data: []byte("x"), Filter: "false", RequestId: uuid.NewString()}
	})
}
