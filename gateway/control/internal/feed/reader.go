package feed

import (
	"context"
	"errors"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// batchReader reads the events of one response at a time.
type batchReader struct {
	sub    *event.Subscription
	events []event.Event
	readAt time.Time // time at which the last response was ready
}

// next returns the events of the next response: those that there are when it is due (contract.Batch), none for a
// heartbeat. The error is that of ctx, or io.EOF.
func (r *batchReader) next(ctx context.Context) ([]event.Event, error) {
	events := r.sub.Poll(r.events[:0])
	if len(events) == 0 {
		waiting, cancel := context.WithDeadline(ctx, contract.Batch{}.Due(time.Now()))
		defer cancel()
		var err error
		events, err = r.sub.Next(waiting, r.events[:0])
		if err != nil && !(errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil) {
			return nil, err
		}
	}
	if b := (contract.Batch{Events: len(events)}); b.Events > 0 && !b.Full() {
		if err := pauseUntil(ctx, b.Due(r.readAt)); err != nil {
			return nil, err
		}
		events = r.sub.Poll(events)
	}
	r.readAt = time.Now()
	return events, nil
}

// pauseUntil waits until t. The error is that of ctx.
func pauseUntil(ctx context.Context, t time.Time) error {
	wait := time.Until(t)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
