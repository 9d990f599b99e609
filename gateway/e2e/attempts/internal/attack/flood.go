package attack

import (
	"context"

	"golang.org/x/net/http2"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pipeline makes calls as fast as it can, on connections that each have a number of them under way.
func (t *Target) pipeline(ctx context.Context, conns, under int, call frames.Call, request func() proto.Message) {
	t.conns(ctx, conns, func(ctx context.Context, c *frames.Conn) error {
		for ctx.Err() == nil {
			if err := c.Room(under); err != nil {
				return err
			}
			if _, err := c.Ask(call, request()); err != nil {
				return err
			}
			t.tally.Add("calls", 1)
		}
		return nil
	})
}

func flood(method string) func(context.Context, *Target, string) {
	return func(ctx context.Context, t *Target, token string) {
		t.pipeline(ctx, 2, 100, frames.Call{Path: service + method, Token: token},
			func() proto.Message { return &pb.GetGatewayRequest{} })
	}
}

func floodHealth(ctx context.Context, t *Target, token string) {
	t.pipeline(ctx, 2, 100, frames.Call{Path: check, Token: token},
		func() proto.Message { return &healthpb.HealthCheckRequest{} })
}

// floodUnauthenticated calls without a token. Few calls are under way, because the gateway ends connections with more.
func floodUnauthenticated(ctx context.Context, t *Target, _ string) {
	t.pipeline(ctx, 2, 4, frames.Call{Path: service + "GetGateway"},
		func() proto.Message { return &pb.GetGatewayRequest{} })
}

// floodFrames writes frames that are no calls as fast as it can, on a connection that has made one call.
func floodFrames(write func(f *http2.Framer, stream uint32) error) func(context.Context, *Target, string) {
	return func(ctx context.Context, t *Target, token string) {
		t.conn(ctx, frames.Config{}, func(ctx context.Context, c *frames.Conn) error {
			call := frames.Call{Path: watch, Token: token}
			id, err := c.Ask(call, &healthpb.HealthCheckRequest{})
			for err == nil && ctx.Err() == nil {
				err = c.Write(func(f *http2.Framer) error {
					for range 100 {
						if err := write(f, id); err != nil {
							return err
						}
					}
					return nil
				})
				t.tally.Add("frames", 100)
			}
			return err
		})
	}
}

func ping(f *http2.Framer, _ uint32) error { return f.WritePing(false, [8]byte{}) }

// settings changes the first window of streams there and back, which makes the gateway go through its streams.
func settings(f *http2.Framer, _ uint32) error {
	for _, window := range []uint32{1 << 20, 1 << 21} {
		if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}); err != nil {
			return err
		}
	}
	return nil
}

func windowUpdate(f *http2.Framer, stream uint32) error { return f.WriteWindowUpdate(stream, 1) }
