// Package turn paces work that must not keep other work of the process late: callers' work on the control plane beside
// the sockets of the data plane.
//
// Work is done in turns of about a tenth of a millisecond. Only few turns are under way at once, so that a processor is
// left for the data plane. The next turn goes to the identity that has used the least processor time (start-time fair
// queueing: Goyal, Vin and Cheng, 1996). After a turn the scheduler rests for a multiple of it, which grows while the
// process is late: while goroutines that could run have to wait. Administrators rest less, and do not wait for the
// rests after others' turns.
package turn

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

const (
	// slice is how long a turn lasts while others wait.
	slice = 100 * time.Microsecond
	// lease is how long a turn may last before it no longer counts: its work is then taken to be waiting for something.
	lease = 2 * time.Millisecond
	// adminWeight is how many times the processor time of another identity an administrator may use.
	adminWeight = 4
	// credit is how much less than the others an identity that comes anew counts as having used.
	credit = 10 * time.Millisecond
)

// Turns gives out turns. Its methods may be called from any goroutine.
type Turns struct {
	slots int
	clock func() time.Duration // of the calling goroutine's thread
	late  lateness

	mu      sync.Mutex
	users   map[share.Party]*user
	running map[*Work]struct{}
	lanes   [2]lane // of ordinary identities, and of those with a reserve
	timer   *time.Timer
	now     time.Duration // tag of the turn that was granted last
}

// lane has the works of one class of identities. An administrator does not wait for the rests after others' turns.
type lane struct {
	queue  queue
	rested time.Time // when the rest after the last turn ends
}

// laneOf returns the lane of w.
func (t *Turns) laneOf(w *Work) *lane {
	if w.party.Reserve {
		return &t.lanes[1]
	}
	return &t.lanes[0]
}

// user is what one identity has used. The Turns' mu guards it.
type user struct {
	// tag of its next turn: what it has used and waits for, weighted, and what others had when it came
	next   time.Duration
	excess time.Duration // how much more than a slice its turns took, weighted, added up
	works  int           // running or queued
	total  time.Duration // used, without weight, since the Turns were made
}

// New returns Turns that let at most so many turns be under way at once.
func New(slots int) *Turns {
	return &Turns{slots: slots, clock: threadTime, late: newLateness(), users: make(map[share.Party]*user),
		running: make(map[*Work]struct{})}
}

// begin waits for a turn of w. It returns without one when ctx ends.
func (t *Turns) begin(ctx context.Context, w *Work) {
	t.late.wake()
	t.mu.Lock()
	if w.running || w.place >= 0 {
		t.mu.Unlock()
		return
	}
	u := t.user(w.party)
	u.works++
	w.user, w.granted, w.tag, w.excess = u, make(chan struct{}), u.next, u.excess
	u.next += w.weighted(slice) // corrected when the turn ends
	heap.Push(&t.laneOf(w).queue, w)
	t.dispatch(time.Now())
	granted := w.granted
	t.mu.Unlock()
	t.await(ctx, w, granted)
}

// await waits until a turn is granted.
func (t *Turns) await(ctx context.Context, w *Work, granted <-chan struct{}) {
	select {
	case <-granted:
		t.mu.Lock()
		w.clock = t.clock()
		t.mu.Unlock()
	case <-ctx.Done():
		t.withdraw(w)
	}
}

// withdraw takes w out of the queue, if it has no turn yet.
func (t *Turns) withdraw(w *Work) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.place >= 0 {
		heap.Remove(&t.laneOf(w).queue, w.place)
		w.user.next -= w.weighted(slice)
		t.leave(w)
	}
}

// end ends the turn of w, if it has one.
func (t *Turns) end(w *Work) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.running {
		now := time.Now()
		t.stop(w, now, w.spent(now))
		t.dispatch(now)
	}
}

// stop charges the turn of w to its user. The caller holds mu.
func (t *Turns) stop(w *Work, now time.Time, spent time.Duration) {
	spent += w.extra
	w.extra = 0
	w.user.total += spent
	w.user.next += w.weighted(spent) - w.weighted(slice)
	w.user.excess += max(0, w.weighted(spent)-w.weighted(slice))
	rest := time.Duration(float64(w.weighted(spent)) * t.late.factor())
	if ends, l := now.Add(min(rest, maxRest)), t.laneOf(w); ends.After(l.rested) {
		l.rested = ends
	}
	w.running = false
	delete(t.running, w)
	t.leave(w)
}

// dispatch gives the turns with the least tags, as far as slots and rests allow. The caller holds mu.
func (t *Turns) dispatch(now time.Time) {
	for w := range t.running {
		if !w.busy && now.Sub(w.since) >= lease {
			t.stop(w, now, slice)
		}
	}
	for {
		next := t.next(now)
		if next == nil {
			break
		}
		w := heap.Pop(&next.queue).(*Work)
		t.now = max(t.now, w.tag)
		w.running, w.since = true, now
		t.running[w] = struct{}{}
		close(w.granted)
	}
	t.arm(now)
}

// next returns the lane with the next turn, or nil if none can be granted now. The caller holds mu.
func (t *Turns) next(now time.Time) (next *lane) {
	for i := range t.lanes {
		l := &t.lanes[i]
		l.correct()
		if len(l.queue) > 0 && !now.Before(l.rested) && t.taken(i, now) < t.slots &&
			(next == nil || l.queue[0].tag < next.queue[0].tag) {
			next = l
		}
	}
	return next
}

// taken returns how many turns are under way for a lane. Administrators do not wait for a step that takes longer than a
// lease. The caller holds mu.
func (t *Turns) taken(lane int, now time.Time) (n int) {
	for w := range t.running {
		if lane == 0 || now.Sub(w.since) < lease {
			n++
		}
	}
	return n
}

// correct puts the first works in order that were queued before turns of their users took longer than a slice.
func (l *lane) correct() {
	for len(l.queue) > 0 && l.queue[0].excess != l.queue[0].user.excess {
		w := l.queue[0]
		w.tag += w.user.excess - w.excess
		w.excess = w.user.excess
		heap.Fix(&l.queue, 0)
	}
}

// soon is the least time until the timer looks again.
const soon = 20 * time.Microsecond

// arm sets the timer to the moment at which the next turn may be granted without a turn's end: when a rest or a lease
// is over. It does nothing if no work waits. The caller holds mu.
func (t *Turns) arm(now time.Time) {
	at, waits := now.Add(lease), false
	for i := range t.lanes {
		if l := &t.lanes[i]; len(l.queue) > 0 {
			waits = true
			if t.taken(i, now) < t.slots && l.rested.Before(at) {
				at = l.rested
			}
		}
	}
	if !waits {
		return
	}
	for w := range t.running {
		if ends := w.since.Add(lease); ends.After(now) && ends.Before(at) {
			at = ends
		}
	}
	wait := max(at.Sub(now), soon)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.tick)
		return
	}
	t.timer.Reset(wait)
}

func (t *Turns) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dispatch(time.Now())
}

// user returns the user of a party. One that has no work counts as having used as much as the others, less its credit.
// The caller holds mu.
func (t *Turns) user(p share.Party) *user {
	u := t.users[p]
	if u == nil {
		u = &user{}
		t.users[p] = u
	}
	if u.works == 0 {
		u.next = max(u.next, t.now-credit)
	}
	return u
}

// leave notes that w neither runs nor waits. It forgets users beyond a number, so that many identities cost no memory.
// The caller holds mu.
func (t *Turns) leave(w *Work) {
	w.user.works--
	if w.user.works == 0 && len(t.users) > maxUsers {
		delete(t.users, w.party)
	}
}

// maxUsers is the most identities without work whose use is remembered.
const maxUsers = 1024

// Use returns the processor time that an identity has used in turns, and the factor by which turns are followed by
// rests now. An identity that was forgotten counts as 0.
func (t *Turns) Use() (byParty map[share.Party]time.Duration, rest float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	byParty = make(map[share.Party]time.Duration, len(t.users))
	for p, u := range t.users {
		byParty[p] = u.total
	}
	return byParty, t.late.factor()
}
