package server

import (
	"context"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// answerMargin is how long before its caller's deadline a waiting verb answers, so that the answer arrives in time.
const answerMargin = 20 * time.Millisecond

// SendRequest has bytes for one connection.
type SendRequest struct {
	ID    string        // the connection's ID
	Data  []byte        // must not change afterwards
	Wait  time.Duration // longest wait for the kernel to take all of Data; 0 answers at once
	Actor event.Actor   // the author in records; the zero value makes none
}

// SendResult is the result of a Send.
type SendResult struct {
	Outcome Outcome
	Queued  uint64 // bytes in the connection's send queue, those of other sends included
	Unsent  uint64 // with OutcomeClosed: bytes of this send that the kernel never took
}

// Send sends bytes to one connection, all of them or none. With Wait it blocks until the kernel has taken the bytes or
// the connection has closed. It then gives up after Wait, at the end of ctx, or 20 ms before ctx's deadline. Without
// Wait it does not block. A missing target is an outcome. The error is a *MalformedIDError.
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
	var wait *sendqueue.Wait
	if outcome == OutcomeQueued && r.Wait > 0 {
		wait = c.sending.waits.Add(c.sent.Load() + uint64(c.queued()))
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

// awaitWritten waits until the kernel has taken the bytes, the connection has closed, or the time is up.
func (c *Conn) awaitWritten(ctx context.Context, wait *sendqueue.Wait, r SendRequest) SendResult {
	wait.Await(ctx, r.Wait, answerMargin)
	c.mu.Lock()
	// The socket is closing: a moment later it is certain how much was written.
	if c.has(flagDone) && !c.has(flagClosed) && c.sent.Load() < wait.UpTo {
		c.mu.Unlock()
		select {
		case <-wait.Done:
		case <-time.After(answerMargin / 2):
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if b := c.sending; b != nil {
		b.waits.Remove(wait)
		c.dropSending()
	}
	result := SendResult{Outcome: OutcomeQueued, Queued: uint64(c.queued())}
	sent := c.sent.Load()
	switch {
	case sent >= wait.UpTo:
		result.Outcome = OutcomeWritten
	case c.has(flagClosed | flagDone):
		result.Outcome = OutcomeClosed
		result.Unsent = min(uint64(len(r.Data)), wait.UpTo-sent)
	}
	return result
}
