package turn

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

// Work is work of one identity that is done in turns. Goroutines that share a Work share its turns. A nil *Work is not
// paced. Its methods may be called from any goroutine.
type Work struct {
	turns *Turns
	ctx   context.Context
	steps atomic.Uint32

	// The mu of turns guards the rest.
	party   share.Party
	user    *user
	tag     time.Duration // of its turn
	excess  time.Duration // its user's when the tag was last right
	since   time.Time     // when its turn began
	clock   time.Duration // processor time of its thread then
	extra   time.Duration // work elsewhere that counts for the turn
	running bool
	busy    bool // in Do: it waits for nothing, so its turn has no lease
	place   int  // in the queue; -1: not there
	granted chan struct{}
}

// Work returns a work of an identity. It has no turn yet. Begin stops waiting when ctx ends.
func (t *Turns) Work(ctx context.Context, party share.Party) *Work {
	return &Work{turns: t, ctx: ctx, party: party, place: -1}
}

// Begin waits for a turn, unless the work has one.
func (w *Work) Begin() {
	if w != nil {
		w.turns.begin(w.ctx, w)
	}
}

// End ends the turn. Without one it does nothing.
func (w *Work) End() {
	if w != nil {
		w.turns.end(w)
	}
}

// spent returns the processor time of the turn of w, in the goroutine of w. The goroutine may have changed its thread,
// or the thread may have waited for a processor; the time is between nothing and the clock's.
func (w *Work) spent(now time.Time) time.Duration {
	passed := min(now.Sub(w.since), lease)
	if used := w.turns.clock() - w.clock; used >= 0 {
		return min(used, passed)
	}
	return min(passed, slice)
}

// weighted returns how much an amount of time counts for the identity.
func (w *Work) weighted(d time.Duration) time.Duration {
	if w.party.Reserve {
		return d / adminWeight
	}
	return d
}

// clockEvery is the number of steps between two looks at the clock.
const clockEvery = 8

// Step is called before each small step of the work, of some microseconds. It begins a turn if the work has none. When
// the turn has lasted long enough it lets others have theirs.
func (w *Work) Step() {
	if w == nil || w.steps.Add(1)%clockEvery != 1 {
		return
	}
	if w.over() {
		w.End()
		runtime.Gosched()
	}
	w.Begin()
}

// over reports whether the turn has lasted for a slice.
func (w *Work) over() bool {
	w.turns.mu.Lock()
	defer w.turns.mu.Unlock()
	return w.running && time.Since(w.since) >= slice
}

// Do does a step that may take milliseconds and waits for nothing, such as to decode a message. Its turn lasts until it
// is done, and counts in full. Afterwards the work may have no turn.
func (w *Work) Do(step func()) {
	if w == nil {
		step()
		return
	}
	w.Begin()
	runtime.LockOSThread() // so that the thread's time is the step's
	defer runtime.UnlockOSThread()
	began := w.turns.clock()
	w.setBusy(true)
	defer func() {
		w.setBusy(false)
		if w.over() {
			w.End()
		}
	}()
	defer func() { w.Charge(max(0, w.turns.clock()-began-lease)) }() // the turn's end counts as much as a lease
	step()
}

func (w *Work) setBusy(busy bool) {
	w.turns.mu.Lock()
	defer w.turns.mu.Unlock()
	w.busy = busy
}

// Charge counts work that was done elsewhere as part of the next turn that ends.
func (w *Work) Charge(d time.Duration) {
	if w == nil {
		return
	}
	w.turns.mu.Lock()
	defer w.turns.mu.Unlock()
	w.extra += d
}

// Become gives the work to another identity, from its next turn on.
func (w *Work) Become(party share.Party) {
	w.End()
	w.turns.mu.Lock()
	defer w.turns.mu.Unlock()
	if !w.running && w.place < 0 {
		w.party = party
	}
}

type workKey struct{}

// With returns a context that carries a work.
func With(ctx context.Context, w *Work) context.Context { return context.WithValue(ctx, workKey{}, w) }

// Of returns the work of a context, or nil.
func Of(ctx context.Context) *Work {
	w, _ := ctx.Value(workKey{}).(*Work)
	return w
}
