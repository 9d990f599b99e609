package control

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/filter"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	"github.com/sockgate/sockgate/gateway/server"
)

// paced is a filter that is matched in the turns of its caller.
type paced struct {
	*filter.Filter
	work *turn.Work
}

// MatchAt reports whether a connection is selected. It waits for its turn.
func (m paced) MatchAt(c *server.Connection, at time.Time) bool {
	m.work.Step()
	return m.Filter.MatchAt(c, at)
}

// inTurns is the interceptor that makes the goroutine of a call run in turns of its caller wherever it does not wait.
// It waits for its turns also when the client has gone: a thousand calls that end at once would keep others waiting.
func (l *Local) inTurns(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	ctx := stream.Context()
	end, ok := auth.CallOf(ctx).Own(ctx) // it bounds how many wait
	if !ok {
		return ctx.Err() // the client has reset the call before this goroutine ran
	}
	defer end()
	work := l.work(context.WithoutCancel(ctx))
	work.Begin()
	defer work.End()
	return handler(service, boundStream{stream, turn.With(ctx, work)})
}

// work returns the work of a call. The call ends its turn when it waits for something else, and at the end.
func (s *Service) work(ctx context.Context) *turn.Work { return s.turns.Work(ctx, auth.PartyOf(ctx)) }

// compile returns the matcher of a filter, for work. An empty filter gives nil, which selects all connections.
func compile(work *turn.Work, expr string) (server.Matcher, error) {
	if expr == "" {
		return nil, nil
	}
	defer work.End()
	var f *filter.Filter
	var err error
	work.Do(func() { f, err = filter.Compile(expr) })
	if err != nil {
		return nil, err
	}
	return paced{f, work}, nil
}

// CheckFilter compiles a filter in a turn of the caller of ctx, and forgets it. The error is a *filter.Error.
func (s *Service) CheckFilter(ctx context.Context, expr string) error {
	_, err := compile(s.work(ctx), expr)
	return err
}
