package attack

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// logStreams asks for event streams as fast as it can while it has all that it may have.
func logStreams(ctx context.Context, t *Target, token string) {
	t.pipeline(ctx, 2, max(2, t.Streams/8), frames.Call{Path: service + "StreamEvents", Token: token},
		func() proto.Message { return &pb.StreamEventsRequest{} })
}

// logLarge announces requests that are too large, and sends none of their bytes.
func logLarge(ctx context.Context, t *Target, token string) {
	call := frames.Call{Path: service + "CountConnections", Token: token}
	announced := frames.Announce(5 << 20)
	t.conns(ctx, 2, func(ctx context.Context, c *frames.Conn) error {
		for ctx.Err() == nil {
			if err := c.Room(100); err != nil {
				return err
			}
			if _, err := c.Send(call, announced); err != nil {
				return err
			}
			t.tally.Add("calls", 1)
		}
		return nil
	})
}
