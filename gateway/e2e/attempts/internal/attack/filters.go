package attack

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// networks returns a filter with 100 networks. Each number makes another text, so that none is compiled before.
func networks(n int64) string {
	var terms []string
	for i := range 100 {
		terms = append(terms, fmt.Sprintf(`ip_in(remote_ip,"%d.%d.%d.0/24")`, 11+n>>8&63, n&255, i))
	}
	return strings.Join(terms, "||")
}

// streamFilters follows events with long filters, and makes connections come and go, so that there are events.
func streamFilters(ctx context.Context, t *Target, token string) {
	go t.churn(ctx, 100)
	var number atomic.Int64
	t.conn(ctx, frames.Config{}, func(ctx context.Context, c *frames.Conn) error {
		for ctx.Err() == nil {
			for c.Open() < t.Streams/10 {
				request := &pb.StreamEventsRequest{Filter: networks(number.Add(1)) + "||true"}
				if _, err := c.Ask(frames.Call{Path: service + "StreamEvents", Token: token}, request); err != nil {
					return err
				}
			}
			rest(ctx, pause)
			if err := c.Dead(); err != nil {
				return err
			}
		}
		return nil
	})
}

// churn makes so many connections a second with the echo listener, and ends each with a reset.
func (t *Target) churn(ctx context.Context, rate int) {
	var dialer net.Dialer
	for ctx.Err() == nil {
		if conn, err := dialer.DialContext(ctx, "tcp", t.Data); err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
			t.tally.Add("clients", 1)
		}
		rest(ctx, time.Second/time.Duration(rate))
	}
}

// filtersRefused lists with filters that do not compile.
func filtersRefused(ctx context.Context, t *Target, token string) {
	filter := strings.Repeat(`node.matches(labels["k"])||`, 150) + "true"
	t.pipeline(ctx, 2, 50, frames.Call{Path: service + "ListConnections", Token: token},
		func() proto.Message { return &pb.ListConnectionsRequest{Filter: filter} })
}

// counts counts with long filters, 300 calls at once.
func counts(ctx context.Context, t *Target, token string) {
	var number atomic.Int64
	t.pipeline(ctx, 1, max(1, t.Streams*3/10), frames.Call{Path: service + "CountConnections", Token: token},
		func() proto.Message { return &pb.CountConnectionsRequest{Filter: networks(number.Add(1))} })
}
