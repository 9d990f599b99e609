package sendqueue

import (
	"context"
	"slices"
	"time"
)

// Waits are the calls that wait until the kernel has taken a connection's bytes up to a position in the stream. The
// zero value has none. The owner's lock guards it.
type Waits struct{ all []*Wait }

// Wait is one of them.
type Wait struct {
	Done chan struct{} // closed when the bytes were taken, or when the connection closed
	UpTo uint64        // the position, in bytes from the first
}

// Await blocks until Done is closed, for at most a time, and ends a margin before ctx's deadline.
func (w *Wait) Await(ctx context.Context, most, margin time.Duration) {
	limit := time.Now().Add(most)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-margin).Before(limit) {
		limit = deadline.Add(-margin)
	}
	timer := time.NewTimer(time.Until(limit))
	defer timer.Stop()
	select {
	case <-w.Done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Add registers a wait for the bytes up to a position.
func (w *Waits) Add(upTo uint64) *Wait {
	one := &Wait{UpTo: upTo, Done: make(chan struct{})}
	w.all = append(w.all, one)
	return one
}

// Wake ends the waits whose bytes were taken, and with all every one.
func (w *Waits) Wake(taken uint64, all bool) {
	if len(w.all) == 0 {
		return
	}
	w.all = slices.DeleteFunc(w.all, func(one *Wait) bool {
		if taken < one.UpTo && !all {
			return false
		}
		close(one.Done)
		return true
	})
	if len(w.all) == 0 {
		w.all = nil
	}
}

// Remove removes a wait that its caller gave up.
func (w *Waits) Remove(one *Wait) {
	w.all = slices.DeleteFunc(w.all, func(other *Wait) bool { return other == one })
}

// None reports whether no call waits.
func (w *Waits) None() bool { return len(w.all) == 0 }
