package server

import (
	"context"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// answerMargin is how long before a caller's deadline a waiting verb answers, so that the answer still arrives.
const answerMargin = 20 * time.Millisecond

// SendRequest says which bytes go to which connection.
type SendRequest struct {
	ID    string        // of the connection
	Data  []byte        // must not change afterwards
	Wait  time.Duration // how long to wait for the kernel to take all of it; 0: answer at once
	Actor event.Actor   // for records; the zero value makes none
}

// SendResult is the result of a Send.
type SendResult struct {
	Outcome Outcome
	Queued  uint64 // bytes in the send queue
	Unsent  uint64 // with OutcomeClosed: bytes of this send that the kernel never took
}

// Send sends bytes to one connection, all of them or none. It blocks only with Wait: until the kernel has taken the
// bytes, the connection is closed, or Wait, ctx or (20 ms earlier) its deadline is over. A target that is not there is
// an outcome; the error is a *MalformedIDError.
func (s *Server) Send(ctx context.Context, r SendRequest) (SendResult, error) {
	c, _, outcome := s.find(r.ID)
	if outcome == OutcomeMalformedID {
		return SendResult{}, &MalformedIDError{ID: r.ID}
	}
	result := SendResult{Outcome: outcome}
	if c != nil {
		result = c.sendAndWait(ctx, r)
	} else if outcome == OutcomeClosed {
		result.Unsent = uint64(len(r.Data))
	}
	var t tally.Tally
	t.Add(result.Outcome)
	s.record(&event.ControlDetail{Verb: "Send", Actor: r.Actor, IDs: []string{r.ID}, DataBytes: uint64(len(r.Data))}, &t)
	return result, nil
}

func (c *Conn) sendAndWait(ctx context.Context, r SendRequest) SendResult {
	c.mu.Lock()
	outcome := c.send(r.Data)
	var wait *writeWait
	if outcome == OutcomeQueued && r.Wait > 0 {
		wait = c.await()
	}
	result := SendResult{Outcome: outcome, Queued: uint64(c.queued())}
	c.mu.Unlock()
	switch {
	case outcome == OutcomeClosed:
		result.Unsent = uint64(len(r.Data))
	case wait != nil:
		return c.awaitWritten(ctx, wait, r)
	}
	return result
}

// awaitWritten waits until the kernel has taken everything, the connection is closed, or the time is over.
func (c *Conn) awaitWritten(ctx context.Context, wait *writeWait, r SendRequest) SendResult {
	limit := time.Now().Add(r.Wait)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-answerMargin).Before(limit) {
		limit = deadline.Add(-answerMargin)
	}
	timer := time.NewTimer(time.Until(limit))
	defer timer.Stop()
	select {
	case <-wait.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	// a moment more, and what was written is certain
	if c.has(flagDone) && !c.has(flagClosed) && c.sent.Load() < wait.upTo {
		c.mu.Unlock()
		select {
		case <-wait.done:
		case <-time.After(answerMargin / 2):
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	c.stopWaiting(wait)
	result := SendResult{Outcome: OutcomeQueued, Queued: uint64(c.queued())}
	sent := c.sent.Load()
	switch {
	case sent >= wait.upTo:
		result.Outcome = OutcomeWritten
	case c.has(flagClosed | flagDone):
		result.Outcome = OutcomeClosed
		result.Unsent = min(uint64(len(r.Data)), wait.upTo-sent)
	}
	return result
}
