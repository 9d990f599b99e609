package attack

import (
	"context"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
)

// filler is a header that makes a call's headers almost as long as the gateway takes them. The encoder must not
// remember it: the second call would be short.
var filler = hpack.HeaderField{Name: "x-filler", Value: strings.Repeat("~", 15<<10), Sensitive: true}

// continuation begins headers, and goes on with them for ever: in frames that are full, and in frames of no byte.
func continuation(ctx context.Context, t *Target, token string) {
	full := make([]byte, 0, 16<<10)
	for len(full) < 16<<10-8 { // a literal header without a name in the table: "a: b"
		full = append(full, 0x00, 1, 'a', 1, 'b')
	}
	for _, part := range [][]byte{full, nil} {
		go t.conn(ctx, frames.Config{}, func(ctx context.Context, c *frames.Conn) error {
			id, block := c.Headers(frames.Call{Path: service + "GetGateway", Token: token})
			return c.Write(func(f *http2.Framer) error {
				err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block})
				for err == nil && ctx.Err() == nil {
					err = f.WriteContinuation(id, false, part)
					t.tally.Add("frames", 1)
				}
				return err
			})
		})
	}
	<-ctx.Done()
}

// headers opens streams with long headers, and leaves them so.
func headers(ctx context.Context, t *Target, token string) {
	call := frames.Call{Path: service + "CountConnections", Token: token, More: []hpack.HeaderField{filler}}
	t.conn(ctx, frames.Config{}, func(ctx context.Context, c *frames.Conn) error {
		for ctx.Err() == nil {
			if err := c.Room(t.Streams); err != nil {
				return err
			}
			if _, err := c.Begin(call); err != nil {
				return err
			}
			t.tally.Add("calls", 1)
		}
		return nil
	})
}

// headersReset opens streams with long headers, and resets each at once.
func headersReset(ctx context.Context, t *Target, token string) {
	reset(ctx, t, frames.Call{Path: service + "CountConnections", Token: token, More: []hpack.HeaderField{filler}})
}

// floodReset makes calls, and resets each at once.
func floodReset(ctx context.Context, t *Target, token string) {
	reset(ctx, t, frames.Call{Path: service + "GetGateway", Token: token})
}

func reset(ctx context.Context, t *Target, call frames.Call) {
	empty := frames.Announce(0)
	t.conn(ctx, frames.Config{}, func(ctx context.Context, c *frames.Conn) error {
		for ctx.Err() == nil {
			id, err := c.Send(call, empty)
			if err == nil {
				err = c.Reset(id)
			}
			if err != nil {
				return err
			}
			t.tally.Add("calls", 1)
		}
		return nil
	})
}
