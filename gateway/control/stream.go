package control

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// batchSize is the most events of one response.
	batchSize = 256
	// batchPeriod is the least time between two responses that are not full.
	batchPeriod = 20 * time.Millisecond
	// heartbeat is how long a stream stays idle before it gets a response without events.
	heartbeat = 5 * time.Second
	// maxEventStreams is how many event streams there may be at once: each holds about 64 KiB.
	maxEventStreams = 1000
)

var errTooManyStreams = errors.New("1000 event streams are open, which is the most; end some, or let one program hand the events on")

// eventStream is one StreamEvents call. It runs in the call's own goroutine: the log's ring is its only buffer, so that a
// slow caller slows nobody, and falls behind with a GAP.
type eventStream struct {
	server pb.GatewayService_StreamEventsServer
	sub    *event.Subscription
	origin event.Origin
	batch  []event.Event
	sentAt time.Time
}

// StreamEvents follows events until the caller cancels or the log is closed.
func (s *Service) StreamEvents(r *pb.StreamEventsRequest, stream pb.GatewayService_StreamEventsServer) error {
	if s.streams.Add(1) > maxEventStreams {
		s.streams.Add(-1)
		return errTooManyStreams
	}
	defer s.streams.Add(-1)
	match, err := compile(r.GetFilter())
	if err != nil {
		return err
	}
	start := s.gateway.Cursor()
	request := server.SubscribeRequest{After: r.GetAfter(), Types: eventTypes(r.GetTypes()), Match: match}
	if request.After == "" {
		request.After = start.String()
	}
	if r.GetIncludeData() {
		request.MaxData = int(r.GetMaxDataBytes())
		if request.MaxData == 0 {
			request.MaxData = defaultMaxDataSize
		}
	}
	sub, err := s.gateway.Subscribe(request)
	if err != nil {
		return err
	}
	defer sub.Close()
	e := &eventStream{server: stream, sub: sub, origin: start.Origin, batch: make([]event.Event, 0, batchSize)}
	if r.GetSnapshot() {
		if err := e.snapshot(s.gateway, match, start); err != nil {
			return err
		}
	} else if err := e.send(nil); err != nil { // tells the caller at once where the stream begins
		return err
	}
	return e.follow()
}

// snapshot sends a PRESENT for each connection that was connected before start, then SNAPSHOT_COMPLETE.
func (e *eventStream) snapshot(g Gateway, match server.Matcher, start event.Cursor) error {
	request := server.ListRequest{Limit: batchSize, State: server.ListLive, Match: match, ListedBy: start.Sequence}
	var total uint64
	for {
		page, err := g.List(e.server.Context(), request)
		if err != nil {
			return err
		}
		total += uint64(len(page.Connections))
		response := &pb.StreamEventsResponse{}
		for i := range page.Connections {
			response.Events = append(response.Events, pbEvent(&event.Event{Type: event.Present, Sequence: start.Sequence, Time: time.Now(),
				Conn: page.Connections[i]}, e.origin))
		}
		if err := e.sendNonEmpty(response); err != nil {
			return err
		}
		if page.Next == 0 {
			break
		}
		request.After, request.UpTo = page.Next, page.UpTo
	}
	return e.send([]event.Event{{Type: event.SnapshotComplete, Sequence: start.Sequence, Time: time.Now(),
		Detail: &event.SnapshotDetail{Connections: total, Cursor: start}}})
}

// sendNonEmpty sends a part of a snapshot: without a cursor, because a snapshot cannot be resumed.
func (e *eventStream) sendNonEmpty(r *pb.StreamEventsResponse) error {
	if len(r.Events) == 0 {
		return nil
	}
	return e.server.Send(r)
}

// follow sends live events in batches, and heartbeats.
func (e *eventStream) follow() error {
	for {
		events, err := e.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case e.server.Context().Err() != nil:
			return e.server.Context().Err()
		case err != nil: // the heartbeat's timeout: events is empty
		case len(events) < batchSize:
			events = e.gather(events)
		}
		if err := e.send(events); err != nil {
			return err
		}
	}
}

func (e *eventStream) next() ([]event.Event, error) {
	ctx, cancel := context.WithTimeout(e.server.Context(), heartbeat)
	defer cancel()
	return e.sub.Next(ctx, e.batch[:0])
}

// gather waits until batchPeriod has passed since the last response, and adds what has come.
func (e *eventStream) gather(events []event.Event) []event.Event {
	if wait := batchPeriod - time.Since(e.sentAt); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-e.server.Context().Done():
			return events
		}
	}
	return e.sub.Poll(events)
}

// send sends events, in one response if it has room for them, and the cursor behind them.
func (e *eventStream) send(events []event.Event) error {
	response, size := &pb.StreamEventsResponse{}, 0
	for i := range events {
		converted := pbEvent(&events[i], e.origin)
		if size += proto.Size(converted); size > maxResponse && i > 0 {
			response.Cursor = e.behind(&events[i-1]).String()
			if err := e.server.Send(response); err != nil {
				return err
			}
			response, size = &pb.StreamEventsResponse{}, proto.Size(converted)
		}
		response.Events = append(response.Events, converted)
	}
	response.Cursor = e.sub.Cursor().String()
	e.sentAt = time.Now()
	return e.server.Send(response)
}

// behind returns the position behind an event in the middle of a batch.
func (e *eventStream) behind(last *event.Event) event.Cursor {
	c := event.Cursor{Origin: e.origin, Sequence: last.Sequence}
	if gap, ok := last.Detail.(*event.GapDetail); ok {
		c.Sequence = max(c.Sequence, gap.To)
	}
	return c
}
