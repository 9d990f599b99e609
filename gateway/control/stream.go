package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control/internal/feed"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// maxEventStreams is the most event streams at once. Callers share it, and the last part is kept for administrators.
	maxEventStreams = 1000
	// defaultIdentityStreams is the default of Config.StreamsPerIdentity.
	defaultIdentityStreams = 100
)

// tooManyStreamsError says that the most event streams of a caller, or of the gateway, are open.
type tooManyStreamsError struct{ text string }

// Error says which bound was reached and what to do.
func (e *tooManyStreamsError) Error() string { return e.text }

var (
	errTooManyStreams = &tooManyStreamsError{"1000 event streams are open, which is the most, and this identity has its " +
		"share of them; end some, or let one program hand the events on"}
	errStreamGaveWay = &tooManyStreamsError{"this event stream was ended to make room: callers have 1000 open, which is " +
		"the most, and this one's identity more than its share; go on after the last cursor, with fewer streams"}
)

// eventStream is one StreamEvents call, in the call's own goroutine. Until it has caught up with the log it reads the
// log by its own subscription. Then it follows the feed of its selection, which encodes each batch once for all
// streams. A slow caller slows no other: it falls behind the feed, reads the log by itself, and gets a GAP when the
// log's ring has overtaken it.
type eventStream struct {
	ctx       context.Context
	server    grpc.ServerStream
	call      *auth.Call // nil: what the stream has in hand has no bound here
	work      *turn.Work
	feeds     *feed.Feeds
	selection feed.Selection
	sub       *event.Subscription // positioned after the last event that was sent, also while a feed is followed
	encoder   feed.BatchEncoder
}

// StreamEvents follows events until the caller cancels or the log is closed.
func (s *Service) StreamEvents(r *pb.StreamEventsRequest, stream pb.GatewayService_StreamEventsServer) error {
	ctx, leave, err := s.enterStream(stream.Context())
	if err != nil {
		return err
	}
	defer leave()
	err = s.streamEvents(ctx, r, stream)
	if cause := (*tooManyStreamsError)(nil); errors.As(context.Cause(ctx), &cause) {
		return cause
	}
	return err
}

func (s *Service) streamEvents(ctx context.Context, r *pb.StreamEventsRequest, stream grpc.ServerStream) error {
	work := s.work(ctx)
	defer work.End()
	match, err := compile(work, r.GetFilter())
	if err != nil {
		return err
	}
	start := s.gateway.Cursor()
	request := server.SubscribeRequest{After: r.GetAfter(), Types: wire.EventTypes(r.GetTypes()), Match: match}
	if request.After, err = startOf(r, start); err != nil {
		return err
	}
	if r.GetIncludeData() {
		request.MaxData = int(r.GetMaxDataBytes())
		if request.MaxData == 0 {
			request.MaxData = contract.DefaultDataBytes
		}
	}
	sub, err := s.gateway.Subscribe(request)
	if err != nil {
		return err
	}
	defer sub.Close()
	events := wire.NewEventEncoder(start.Origin)
	e := &eventStream{
		ctx:       ctx,
		server:    stream,
		call:      callOf(stream),
		work:      work,
		feeds:     &s.feeds,
		selection: feed.Selection{Types: request.Types, Filter: r.GetFilter(), MaxData: request.MaxData},
		sub:       sub,
		encoder:   feed.BatchEncoder{Events: events, Pool: &s.feeds.Buffers},
	}
	if r.GetSnapshot() {
		if err := e.snapshot(s.gateway, match, start); err != nil {
			return err
		}
	} else if err := e.encode(nil, sub.Position()); err != nil { // tells the caller at once where the stream begins
		return err
	}
	return e.follow()
}

// callOf returns what a stream's call holds; nil for a stream of a fleet, which bounds its items itself and may use the
// call in another goroutine.
func callOf(stream grpc.ServerStream) *auth.Call {
	if _, ok := stream.(*localStream); ok {
		return nil
	}
	return auth.CallOf(stream.Context())
}

// startOf returns the cursor after which a stream of this node begins. From a fleet's cursor, which has a part for each
// node, it takes this node's part. The error is an *event.CursorError.
func startOf(r *pb.StreamEventsRequest, now event.Cursor) (string, error) {
	after := r.GetAfter()
	switch {
	case after == "":
		return now.String(), nil
	case !strings.Contains(after, ","):
		return after, nil
	}
	v, err := event.ParseVector(after)
	if err != nil {
		return "", &event.CursorError{Text: err.Error()}
	}
	own, ok := v.At(now.Node)
	if !ok || !r.GetScope().GetLocal() {
		return "", &event.CursorError{Text: fmt.Sprintf("cursor %.200q is of several nodes, and this stream is of "+
			"node %q alone; give the part of it that "+
			"is this node's", after, now.Node)}
	}
	return own.String(), nil
}

// enterStream counts an event stream until leave is called. The context that it returns ends with errStreamGaveWay as
// its cause when others need the stream's place. The error is a *tooManyStreamsError if the caller, or the gateway, has
// the most streams that it may have.
func (s *Service) enterStream(ctx context.Context) (_ context.Context, leave func(), err error) {
	of := &auth.Usage{} // of a caller without a grant, which shares its usage with no other
	if g := auth.GrantOf(ctx); g != nil {
		of = g.Usage
	}
	if of.Streams.Add(1) > int64(s.most) {
		of.Streams.Add(-1)
		return nil, nil, &tooManyStreamsError{fmt.Sprintf("%d event streams of %.200q are open, which is the most of one "+
			"identity; end some, or let one program hand the events on", s.most, auth.CallerOf(ctx).Identity)}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	place, err := s.streams.Take(auth.PartyOf(ctx), 1, func() { cancel(errStreamGaveWay) })
	if err != nil {
		of.Streams.Add(-1)
		cancel(nil)
		return nil, nil, errTooManyStreams
	}
	return ctx, func() {
		place.Release()
		cancel(nil)
		of.Streams.Add(-1)
	}, nil
}

// snapshot sends a PRESENT for each connection that was connected before start, then SNAPSHOT_COMPLETE.
func (e *eventStream) snapshot(g Gateway, match server.Matcher, start event.Cursor) error {
	request := server.ListRequest{Limit: contract.BatchSize, State: server.ListLive, Match: match,
		ConnectedBy: start.Sequence}
	var total uint64
	defer e.call.Return()
	for {
		if err := e.call.Reserve(e.ctx, readBytes); err != nil {
			return err
		}
		page, err := g.List(e.ctx, request)
		if err != nil {
			return err
		}
		total += uint64(len(page.Connections))
		if err := e.sendPresent(page.Connections, start); err != nil {
			return err
		}
		if page.Next == 0 {
			break
		}
		request.After, request.UpTo = page.Next, page.UpTo
	}
	return e.encode([]event.Event{{Type: event.SnapshotComplete, Sequence: start.Sequence, Time: time.Now(),
		Detail: &event.SnapshotDetail{Connections: total, Cursor: start}}}, e.sub.Position())
}

// sendPresent sends a part of a snapshot. It has no cursor, because a snapshot cannot be resumed.
func (e *eventStream) sendPresent(connections []server.Connection, start event.Cursor) error {
	if len(connections) == 0 {
		return nil
	}
	var b []byte
	for i := range connections {
		e.work.Step()
		b = e.encoder.Events.AppendEvent(b, &event.Event{Type: event.Present, Sequence: start.Sequence, Time: time.Now(),
			Conn: connections[i]})
	}
	e.work.End()
	return e.send(mem.SliceBuffer(b))
}

// follow sends live events in batches, and heartbeats.
func (e *eventStream) follow() error {
	if err := e.catchUp(); err != nil {
		return err
	}
	followed := e.feeds.Enter(e.selection, e.sub, e.encoder.Events, e.work)
	defer e.feeds.Leave(e.selection, followed)
	for {
		err := e.share(followed)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if !errors.Is(err, feed.ErrBehind) {
			return err
		}
		if err := e.catchUp(); err != nil {
			return err
		}
	}
}

// catchUp sends events of the log until a batch is not full. The stream is then almost at the end of the log, and the
// feed sends the events that come while that last batch is sent.
func (e *eventStream) catchUp() error {
	defer e.call.Return()
	buffer := make([]event.Event, 0, e.atOnce())
	for {
		if err := e.call.Reserve(e.ctx, readBytes); err != nil {
			return err
		}
		from := e.sub.Position()
		events := e.sub.Poll(buffer)
		if len(events) == 0 {
			e.work.End()
			return nil
		}
		if err := e.encode(events, from); err != nil || len(events) < cap(buffer) {
			return err
		}
		clear(events) // they keep payloads that the log has evicted
	}
}

const (
	// readBytes is the room that a stream waits for before it reads the log: for the events, and their encoded form.
	readBytes = 512 << 10
	// eventBytes is the most of an event with usual labels, encoded and not.
	eventBytes = 2 << 10
)

// atOnce returns how many events fit into readBytes, with payloads twice: as they are, and encoded.
func (e *eventStream) atOnce() int {
	return max(1, min(contract.BatchSize, readBytes/(eventBytes+2*e.selection.MaxData)))
}

// batchBytes is what gRPC holds for a batch beside its bytes.
const batchBytes = 1 << 10

// share sends the feed's batches. The error is feed.ErrBehind if the stream has fallen behind the feed, and io.EOF when
// the log is closed and everything was sent.
func (e *eventStream) share(from *feed.Feed) error {
	f := from.Follow()
	defer f.Stop()
	for !e.sub.Position().Covers(f.From) { // the feed was a little ahead
		if err := e.catchUp(); err != nil {
			return err
		}
	}
	for {
		b, err := f.Take(e.ctx)
		if err != nil {
			return err
		}
		if !e.call.Room(int64(b.Buffer.Len()) + batchBytes) {
			b.Buffer.Free()
			return feed.ErrBehind // the stream has no batch in hand while it waits for room
		}
		err = e.pass(b)
		e.call.Return()
		b.Buffer.Free()
		if err != nil {
			return err
		}
	}
}

// pass sends the part of a batch that the stream has not sent yet.
func (e *eventStream) pass(b *feed.Batch) error {
	at := e.sub.Position()
	rest, clear := b.Remainder(at)
	switch {
	case !clear:
		return feed.ErrBehind
	case rest != nil:
		e.sub.Advance(b.To, b.Missed)
		return e.send(rest)
	case len(b.Ends) == 0: // a heartbeat
		return e.encode(nil, at)
	}
	return nil
}

// encode sends events that the stream's own subscription has delivered since a position. Without events it sends a
// heartbeat.
func (e *eventStream) encode(events []event.Event, from event.Position) error {
	batches := e.encoder.Encode(events, from, e.sub)
	e.work.End()
	for _, b := range batches {
		if err := e.send(b.Buffer); err != nil {
			return err
		}
	}
	return nil
}

// send sends an encoded response and gives up the reference to it.
func (e *eventStream) send(b mem.Buffer) error {
	defer b.Free()
	return e.server.SendMsg(&encodedResponse{b})
}
