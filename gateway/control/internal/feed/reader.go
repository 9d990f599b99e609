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
	readAt time.Time // when the last response was ready
}

// next returns the events of the next response: what comes within contract.BatchPeriod of the last response, at most
// contract.BatchSize; none when nothing has come for contract.Heartbeat. The error is ctx's or io.EOF.
func (r *batchReader) next(ctx context.Context) ([]event.Event, error) {
	events := r.sub.Poll(r.events[:0])
	if len(events) == 0 {
		waiting, cancel := context.WithTimeout(ctx, contract.Heartbeat)
		defer cancel()
		var err error
		events, err = r.sub.Next(waiting, r.events[:0])
		if err != nil && !(errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil) {
			return nil, err
		}
	}
	if len(events) > 0 && len(events) < contract.BatchSize {
		if err := r.pause(ctx); err != nil {
			return nil, err
		}
		events = r.sub.Poll(events)
	}
	r.readAt = time.Now()
	return events, nil
}

// pause waits until contract.BatchPeriod has passed since the last response.
func (r *batchReader) pause(ctx context.Context) error {
	wait := contract.BatchPeriod - time.Since(r.readAt)
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
