package cli

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

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// errStop is what an emit function returns when it has seen enough; the stream then ends without an error.
var errStop = errors.New("stop")

// follower delivers an event stream and, with reconnect, goes on behind the last cursor when it breaks, so that no event
// is lost or repeated. It does so always, and without a word, when the gateway has ended the connection for its age.
//
// A cursor belongs to a whole batch. A batch is emitted completely before its cursor is kept, and a batch that did not
// arrive completely was not delivered at all: that is why resuming behind the cursor is exact.
type follower struct {
	app       *app
	client    *client
	request   *sockgatev1.StreamEventsRequest
	reconnect bool
	// emit gets the events of a batch, in order; not called for heartbeats.
	emit func([]*sockgatev1.Event) error
	// end says, after each response and of the cursor behind it, whether the stream is to end by itself; nil: never.
	end func(ctx context.Context, cursor string) (bool, error)
	// several says that the stream has the events of more than one node.
	several bool
	// begun says that the gateway has answered: it took the request's cursor.
	begun bool
	// cursor is the position behind everything that was emitted; empty while it is not known.
	cursor string

	held []*sockgatev1.Event // a snapshot that is not complete yet
	wait retryDelay
}

// run follows until the stream ends, ctx is cancelled, or emit says stop. An end with OK is no error.
func (f *follower) run(ctx context.Context) error {
	f.cursor = f.request.GetAfter()
	for {
		err := f.attempt(ctx)
		switch {
		case errors.Is(err, errStop), ctx.Err() != nil && !isOutputError(err):
			return nil
		case f.cursor != "" && renewed(err):
			if f.request.GetIncludeData() {
				f.app.say("the gateway renewed the connection; %s", f.resumeText())
			}
			if f.app.env.sleep(ctx, f.wait.next()) != nil {
				return nil
			}
			continue
		case !f.reconnect, !retryable(err):
			return err
		}
		delay := f.wait.next()
		f.app.say("%s; %s in %s", brokeText(err), f.resumeText(), humanDuration(delay))
		if f.app.env.sleep(ctx, delay) != nil {
			return nil
		}
	}
}

// attempt follows one stream until it ends; nil is an end with OK.
func (f *follower) attempt(ctx context.Context) error {
	f.client.conn.ResetConnectBackoff() // the pauses are ours to make
	if err := f.anchor(ctx); err != nil {
		return err
	}
	req := proto.CloneOf(f.request)
	req.After = f.cursor
	if f.cursor != "" {
		req.Snapshot = false
	}
	f.held = nil // a snapshot that broke starts again
	stream, done, err := f.app.openStream(ctx, f.client, req)
	if err != nil {
		return err
	}
	defer done()
	for {
		resp, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return f.client.wrap(err, req)
		}
		f.wait.reset()
		f.begun = true
		if err := f.deliver(ctx, resp, req.GetSnapshot()); err != nil {
			return err
		}
	}
}

// anchor fixes where the stream begins before it is opened. Otherwise a stream that breaks before its first answer would
// be resumed at a later "now", silently skipping what happened between.
func (f *follower) anchor(ctx context.Context) error {
	if f.cursor != "" || f.request.GetSnapshot() {
		return nil
	}
	m, err := f.app.now(ctx, f.client, f.request.GetScope())
	f.cursor = m.cursor
	f.app.sayAbsent(&m.absent)
	return err
}

// deliver emits one batch and keeps its cursor. A snapshot that would be started again if it broke is held until it is
// complete, so that nothing of a broken one is ever emitted.
func (f *follower) deliver(ctx context.Context, resp *sockgatev1.StreamEventsResponse, snapshot bool) error {
	events := resp.GetEvents()
	f.several = f.several || severalNodes(f.cursor) || severalNodes(resp.GetCursor())
	if f.reconnect && snapshot && f.cursor == "" {
		f.held = append(f.held, events...)
		if resp.GetCursor() == "" {
			return nil
		}
		events, f.held = f.held, nil
	}
	if len(events) > 0 {
		if err := f.emit(events); err != nil {
			return outputError(err)
		}
	}
	if resp.GetCursor() != "" {
		f.cursor = resp.GetCursor()
	}
	if f.end != nil {
		if ended, err := f.end(ctx, f.cursor); ended || err != nil {
			return cmp.Or(err, errStop)
		}
	}
	switch {
	case len(events) == 0 && f.app.env.readerGone():
		return outputError(syscall.EPIPE) // the next event would find it out, whenever that comes
	default:
		return nil
	}
}

// renewed says that the gateway ended the connection only because it was old (MaxConnectionAge of gRPC): all is well, and another
// connection goes on.
func renewed(err error) bool {
	st := statusOf(err)
	return st != nil && st.Code() == codes.Unavailable && strings.Contains(st.Message(), `debug data: "max_age"`)
}

func (f *follower) resumeText() string {
	switch {
	case f.cursor != "" && f.request.GetIncludeData():
		return "resuming behind cursor " + f.cursor + " (DATA sent meanwhile is not kept)"
	case f.cursor != "":
		return "resuming behind cursor " + f.cursor
	default:
		return "starting again"
	}
}

func brokeText(err error) string {
	var call *callError
	switch {
	case err == nil:
		return "the gateway ended the event stream"
	case errors.As(err, &call) && call.tlsProblem() != nil:
		return explain(err)
	case errors.As(err, &call) && call.unreachable():
		return fmt.Sprintf("no connection to the gateway at %s: %s", call.addr, transportText(statusOf(err)))
	default:
		return "the event stream broke: " + explain(err)
	}
}

// emitError marks an error of our own side, which no new stream would mend.
type emitError struct{ error }

func (e emitError) Unwrap() error { return e.error }

func outputError(err error) error { return emitError{err} }

func isOutputError(err error) bool {
	var e emitError
	return errors.As(err, &e)
}

// retryable says whether another stream may fare better than the one that ended with err (nil: with OK).
func retryable(err error) bool {
	if err == nil {
		return true
	}
	st := statusOf(err)
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

const (
	backoffFirst = 100 * time.Millisecond
	backoffLast  = 5 * time.Second
)

// retryDelay makes the pauses between attempts: doubling, and jittered so that many clients of a gateway that comes back
// do not come at once.
type retryDelay struct{ step time.Duration }

func (r *retryDelay) next() time.Duration {
	r.step = min(max(2*r.step, backoffFirst), backoffLast)
	return r.step/2 + rand.N(r.step/2+1)
}

func (r *retryDelay) reset() { r.step = 0 }
