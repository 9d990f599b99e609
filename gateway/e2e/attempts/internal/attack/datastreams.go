package attack

import (
	"context"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// dataStreams asks for the clients' data on as many streams as the gateway lets it, and reads none.
func dataStreams(ctx context.Context, t *Target, token string) {
	call := frames.Call{Path: service + "StreamEvents", Token: token}
	message := frames.Message(&pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: 64 << 10})
	t.conn(ctx, still.config(), func(ctx context.Context, c *frames.Conn) error {
		return t.hold(ctx, c, still, func() error {
			_, err := c.Send(call, message)
			return err
		})
	})
}
