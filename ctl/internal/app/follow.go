package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ErrStop is returned by an emit function that has seen enough; the stream then ends without an error.
var ErrStop = errors.New("stop")

// Follower delivers an event stream. With Reconnect it goes on behind the last cursor when the stream breaks, so that
// no event is lost or repeated. When the gateway ended the connection for its age, it always goes on, without a
// message.
//
// A cursor belongs to a whole batch. The follower keeps the cursor only after it has emitted the whole batch, and a
// batch that arrives in part is not delivered at all. That is why resuming behind the cursor is exact.
type Follower struct {
	App       *App
	Client    *Client
	Request   *pb.StreamEventsRequest
	Reconnect bool
	// Emit gets the events of a batch, in order; not called for heartbeats.
	Emit func([]*pb.Event) error
	// End reports, after each response and with its cursor, whether the stream is to end by itself; nil: never.
	End func(ctx context.Context, cursor string) (bool, error)
	// Several says that the stream has the events of more than one node.
	Several bool
	// Begun says that the gateway has answered: it took the request's cursor.
	Begun bool
	// Cursor is the position behind everything that was emitted; empty while it is not known.
	Cursor string

	held []*pb.Event // a snapshot that is not complete yet
	wait RetryDelay
}

// Run follows until the stream ends, ctx is cancelled, or Emit returns ErrStop. An end with OK is no error.
func (f *Follower) Run(ctx context.Context) error {
	f.Cursor = f.Request.GetAfter()
	for {
		err := f.attempt(ctx)
		switch {
		case errors.Is(err, ErrStop), ctx.Err() != nil && !isOutputError(err):
			return nil
		case f.Cursor != "" && Renewed(err):
			if f.Request.GetIncludeData() {
				f.App.Say("the gateway renewed the connection; %s", f.resumeText())
			}
			if f.App.Env.Sleep(ctx, f.wait.Next()) != nil {
				return nil
			}
			continue
		case !f.Reconnect, !Retryable(err):
			return err
		}
		delay := f.wait.Next()
		lines := brokeLines(err)
		lines[len(lines)-1] += "; " + f.resumeText() + " in " + units.HumanDuration(delay)
		f.App.SayLines(lines...)
		if f.App.Env.Sleep(ctx, delay) != nil {
			return nil
		}
	}
}

// attempt follows one stream until it ends; nil is an end with OK.
func (f *Follower) attempt(ctx context.Context) error {
	f.Client.Conn.ResetConnectBackoff() // RetryDelay makes the pauses
	if err := f.anchor(ctx); err != nil {
		return err
	}
	req := proto.CloneOf(f.Request)
	req.After = f.Cursor
	if f.Cursor != "" {
		req.Snapshot = false
	}
	f.held = nil // a snapshot that broke starts again
	stream, done, err := f.App.OpenStream(ctx, f.Client, req)
	if err != nil {
		return err
	}
	defer done()
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return f.Client.Wrap(err, req)
		}
		f.wait.Reset()
		f.Begun = true
		if err := f.deliver(ctx, resp, req.GetSnapshot()); err != nil {
			return err
		}
	}
}

// anchor fixes where the stream begins before it is opened. Otherwise a stream that breaks before its first answer
// would be resumed at a later "now", and the events in between would be lost in silence.
func (f *Follower) anchor(ctx context.Context) error {
	if f.Cursor != "" || f.Request.GetSnapshot() {
		return nil
	}
	m, err := f.App.Now(ctx, f.Client, f.Request.GetScope())
	f.Cursor = m.Cursor
	f.App.SayAbsent(&m.Absent)
	return err
}

// deliver emits one batch and keeps its cursor. A snapshot that would start again if it broke is held until it is
// complete, so that no part of a broken one is emitted.
func (f *Follower) deliver(ctx context.Context, resp *pb.StreamEventsResponse, snapshot bool) error {
	events := resp.GetEvents()
	f.Several = f.Several || severalNodes(f.Cursor) || severalNodes(resp.GetCursor())
	if f.Reconnect && snapshot && f.Cursor == "" {
		f.held = append(f.held, events...)
		if resp.GetCursor() == "" {
			return nil
		}
		events, f.held = f.held, nil
	}
	if len(events) > 0 {
		if err := f.Emit(events); err != nil {
			return outputError(err)
		}
	}
	if resp.GetCursor() != "" {
		f.Cursor = resp.GetCursor()
	}
	if f.End != nil {
		if ended, err := f.End(ctx, f.Cursor); ended || err != nil {
			return cmp.Or(err, ErrStop)
		}
	}
	switch {
	case len(events) == 0 && f.App.Env.ReaderGone():
		return outputError(syscall.EPIPE) // writing the next event would fail too, but it may come late
	default:
		return nil
	}
}

// Renewed reports whether the gateway ended the connection only for its age (MaxConnectionAge of gRPC). All is well
// then, and another connection goes on.
func Renewed(err error) bool {
	st := StatusOf(err)
	return st != nil && st.Code() == codes.Unavailable && strings.Contains(st.Message(), `debug data: "max_age"`)
}

func (f *Follower) resumeText() string {
	switch {
	case f.Cursor != "" && f.Request.GetIncludeData():
		return "resuming behind cursor " + f.Cursor + " (DATA sent meanwhile is not kept)"
	case f.Cursor != "":
		return "resuming behind cursor " + f.Cursor
	default:
		return "starting again"
	}
}

// brokeLines say why a stream is over.
func brokeLines(err error) []string {
	var call *CallError
	switch {
	case err == nil:
		return []string{"the gateway ended the event stream"}
	case errors.As(err, &call) && call.tlsProblem() != nil:
		return Explain(err)
	case errors.As(err, &call) && call.Unreachable():
		return []string{fmt.Sprintf("no connection to the gateway at %s: %s", call.addr, transportText(StatusOf(err)))}
	default:
		lines := Explain(err)
		lines[0] = "the event stream broke: " + lines[0]
		return lines
	}
}

// emitError marks an error of Emit, which no new stream would mend.
type emitError struct{ error }

func (e emitError) Unwrap() error { return e.error }

func outputError(err error) error { return emitError{err} }

func isOutputError(err error) bool {
	var e emitError
	return errors.As(err, &e)
}

// Retryable reports whether another stream may fare better than the one that ended with err; nil stands for OK.
func Retryable(err error) bool {
	if err == nil {
		return true
	}
	st := StatusOf(err)
	if st == nil || isOutputError(err) {
		return false
	}
	switch st.Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.Internal, codes.Unknown, codes.Canceled,
		codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

// The bounds of the pauses between attempts.
const (
	BackoffFirst = 100 * time.Millisecond
	BackoffLast  = 5 * time.Second
)

// RetryDelay makes the pauses between attempts. They double, and they vary at random so that the clients of a gateway
// that comes back do not all come at once.
type RetryDelay struct{ step time.Duration }

// Next returns the next pause, 50 ms to 5 s.
func (r *RetryDelay) Next() time.Duration {
	r.step = min(max(2*r.step, BackoffFirst), BackoffLast)
	return r.step/2 + rand.N(r.step/2+1)
}

// Reset starts again with the shortest pause.
func (r *RetryDelay) Reset() { r.step = 0 }
