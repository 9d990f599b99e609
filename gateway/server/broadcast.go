package server

import (
	"context"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/replay"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// ErrTooManyRequests says that too many broadcasts with a RequestID came within two minutes: 2,048 of one Actor, or
// 16,384 in all. An eighth is kept for administrators. The broadcast was not made.
var ErrTooManyRequests = replay.ErrTooMany

// RequestIDError says that another broadcast within two minutes had the same RequestID. ID is the RequestID.
type RequestIDError = replay.IDError

// BroadcastRequest selects connections and has the bytes for them.
type BroadcastRequest struct {
	Data      []byte      // must not change afterwards
	Match     Matcher     // nil: all
	Exclude   []string    // IDs to leave out; those that name no live connection of this server change nothing
	RequestID string      // any text; makes a retry within two minutes safe; empty: no such protection
	Actor     event.Actor // for records; the zero value makes none
}

// BroadcastResult counts the connections that a Broadcast was for.
type BroadcastResult struct {
	Matched  uint64          // all of them: the sum of the next four
	Written  uint64          // the kernel took all the bytes
	Queued   uint64          // bytes wait in the send queue
	Dropped  uint64          // the bytes did not fit in the send queue or the queue budget
	Closed   uint64          // closing already
	Failures []TargetOutcome // the first 100 that were neither written nor queued
	Replayed bool            // the answer of an earlier request with the same RequestID
}

// Broadcast sends to every matching connection at most once. A connection that opens meanwhile may be left out.
// Broadcast does not wait for peers: a full queue is an outcome. It is carried out whole even when ctx ends. A retry
// waits for the first request with its RequestID, until ctx ends. The error is a *RequestIDError, ErrTooManyRequests,
// or ctx's.
func (s *Server) Broadcast(ctx context.Context, r BroadcastRequest) (BroadcastResult, error) {
	if r.RequestID == "" {
		return s.broadcast(r), nil
	}
	answer, first, err := s.requests.Claim(replay.OwnerOf(&r.Actor), r.RequestID,
		replay.Digest(source(r.Match), r.Exclude, r.Data))
	if err != nil {
		return BroadcastResult{}, err
	}
	if first {
		// Also after a panic, so that a retry does not wait for ever.
		defer func() { answer.Finish(len(answer.Result.Failures)) }()
		answer.Result = s.broadcast(r)
		return answer.Result, nil
	}
	select {
	case <-answer.Done:
		result := answer.Result
		result.Replayed = true
		return result, nil
	case <-ctx.Done():
		return BroadcastResult{}, ctx.Err()
	}
}

func (s *Server) broadcast(r BroadcastRequest) BroadcastResult {
	var t tally.Tally
	excluded := make(map[*Conn]struct{}, len(r.Exclude))
	for _, id := range r.Exclude {
		if c, _, _ := s.find(id); c != nil {
			excluded[c] = struct{}{}
		}
	}
	now := time.Now()
	s.registry.Walk(func(c *Conn) bool {
		if _, out := excluded[c]; out || !matches(r.Match, c, now) {
			return true
		}
		c.mu.Lock()
		gone := c.has(flagClosed)
		var o Outcome
		if !gone {
			o = c.send(r.Data)
		}
		c.mu.Unlock()
		switch {
		case gone: // it closed before the walk came to it
		case o.Accepted():
			t.Add(o)
		default:
			t.AddFailure(TargetOutcome{ID: c.ID(), Outcome: o})
		}
		return true
	})
	s.record(&event.ControlDetail{Verb: "Broadcast", Actor: r.Actor, Filter: source(r.Match), RequestID: r.RequestID,
		DataBytes: uint64(len(r.Data))}, &t)
	return BroadcastResult{Matched: t.Total(), Written: t.Counts[OutcomeWritten], Queued: t.Counts[OutcomeQueued],
		Dropped: t.Counts[OutcomeDroppedQueueFull] + t.Counts[OutcomeDroppedBudget], Closed: t.Counts[OutcomeClosed],
		Failures: t.Failures}
}
