// Package share divides an amount, such as bytes of memory, between the identities that ask for it, so that no
// identity keeps the others out.
//
// A [Pool] follows max-min fairness with one place kept free: an identity may hold up to the level L at which it, one
// identity that may still come, and every other holder, each counted with what it holds and at most L, fit into the
// pool. An identity alone may hold half. The more identities hold much, the smaller the level; identities that hold
// little leave their part to the others. (Max-min fairness: Bertsekas and Gallager, Data Networks, 6.5.2.)
//
// An identity that holds more than the level when another one needs room gives way: its oldest hold that waits for its
// client is revoked, or else its oldest hold.
package share

import (
	"container/list"
	"errors"
	"sync"
	"time"
)

// Party is an identity that asks a Pool.
type Party struct {
	Key     string // tells identities apart
	Reserve bool   // whether it may take the pool's reserve, as administrators may
}

// Patience is how long a hold may wait for its client before it gives way to others of the same identity.
const Patience = 3 * time.Second

var (
	// ErrShare says that a party holds its share already, and that none of it waits for its client.
	ErrShare = errors.New("the identity holds its share")
	// ErrFull says that the pool is full, and that no holder is over its share.
	ErrFull = errors.New("the budget is used up")
)

// Pool is an amount that parties share. Its methods may be called from any goroutine. Only Hold.Await blocks.
type Pool struct {
	total, reserve int64
	now            func() time.Time

	mu      sync.Mutex
	held    int64 // by all
	common  int64 // by parties without Reserve
	parties map[Party]*account
	revoked uint64
	refused uint64
	peak    int64
	queued  map[*account]struct{} // accounts with a request in their queue
	serving bool                  // requests are being granted
	due     []func()              // work to be ended once mu is free
}

// account is what one party holds. The pool's mu guards it.
type account struct {
	party   Party
	held    int64
	holds   int
	oldest  list.List // of its *Hold that may be revoked, the oldest first
	waiting list.List // those of them that wait for their client, the longest first
	queue   list.List // of *request, in their order
}

// New returns a pool of a total. Only parties with Reserve may take the last reserve of it.
func New(total, reserve int64) *Pool {
	return &Pool{total: total, reserve: reserve, now: time.Now, parties: make(map[Party]*account),
		queued: make(map[*account]struct{})}
}

// Take gives a party n of the pool until Release. Holds of others that are over their share are revoked for it. revoke
// ends the work that the hold is for. The Take or Grow that needs the room calls it, at most once; it must not block.
// With a nil revoke the hold is never revoked. The error is ErrShare or ErrFull.
func (p *Pool) Take(party Party, n int64, revoke func()) (*Hold, error) {
	h := &Hold{pool: p, revoke: revoke}
	err := p.locked(func() error {
		h.account = p.account(party)
		if err := p.admit(h.account, n); err != nil {
			p.forget(h.account)
			return err
		}
		h.account.add(h)
		p.change(h, n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// locked calls try with mu held, and ends the work of the holds that gave way.
func (p *Pool) locked(try func() error) error {
	p.mu.Lock()
	err := try()
	if err != nil {
		p.refused++
	}
	due := p.due
	p.due = nil
	p.mu.Unlock()
	for _, revoke := range due {
		revoke()
	}
	return err
}

// admit makes room for n more of an account. The caller holds mu.
func (p *Pool) admit(a *account, n int64) error {
	most := p.most(a.party)
	if p.heldFor(a.party)+n <= most/2 { // no share is smaller than that of a party alone
		return nil
	}
	for a.held+n > p.level(a) {
		if !p.revoke(a.stalled(p.now())) {
			return ErrShare
		}
	}
	for p.heldFor(a.party)+n > most {
		if !p.revoke(p.overShare(a)) {
			return ErrFull
		}
	}
	return nil
}

// most is the most that may be held for a party to be admitted: an ordinary one is not let into the reserve.
func (p *Pool) most(party Party) int64 {
	if party.Reserve {
		return p.total
	}
	return p.total - p.reserve
}

// heldFor is what a party's admission counts as held: all of it in the total, or the ordinary parties' outside of the
// reserve.
func (p *Pool) heldFor(party Party) int64 {
	if party.Reserve {
		return p.held
	}
	return max(p.common, p.held-p.reserve)
}

// level returns the most that an account may hold: the L of the package's rule. A party with Reserve may hold the
// reserve in any case. The caller holds mu.
func (p *Pool) level(a *account) int64 {
	low, high := int64(0), p.most(a.party)/2
	for low < high { // the sum grows with L
		l := (low + high + 1) / 2
		if sum := 2*l + p.othersAt(a, l); sum <= p.most(a.party) {
			low = l
		} else {
			high = l - 1
		}
	}
	if a.party.Reserve {
		return max(low, p.reserve)
	}
	return low
}

// othersAt sums what the other accounts hold, each counted up to a level.
func (p *Pool) othersAt(a *account, level int64) (sum int64) {
	for _, other := range p.parties {
		if other != a {
			sum += min(other.held, level)
		}
	}
	return sum
}

// overShare returns the hold that must give way to an account: of the party that holds the most, if that is more than
// its level, the oldest that waits for its client, or else the oldest. It returns nil if there is none. The caller
// holds mu.
func (p *Pool) overShare(a *account) *Hold {
	var largest *account
	for _, other := range p.parties {
		if other != a && other.oldest.Len() > 0 && (largest == nil || other.held > largest.held) {
			largest = other
		}
	}
	if largest == nil || largest.held <= p.level(largest) {
		return nil
	}
	if h := largest.stalled(p.now()); h != nil {
		return h
	}
	return largest.oldest.Front().Value.(*Hold)
}

// revoke takes a hold away and ends its work. It reports false for nil. The caller holds mu.
func (p *Pool) revoke(h *Hold) bool {
	if h == nil {
		return false
	}
	p.revoked++
	p.due = append(p.due, h.revoke)
	p.end(h)
	return true
}

// end takes a hold out of the books, and serves the requests that wait. The caller holds mu.
func (p *Pool) end(h *Hold) {
	if h.ended {
		return
	}
	p.change(h, 0)
	h.ended = true
	h.account.remove(h)
	p.forget(h.account)
	p.serve()
}

// change makes a hold as large as n. The caller holds mu.
func (p *Pool) change(h *Hold, n int64) {
	more := n - h.size
	h.size = n
	h.account.held += more
	p.held += more
	p.peak = max(p.peak, p.held)
	if !h.account.party.Reserve {
		p.common += more
	}
}

// account returns a party's account. The caller holds mu, and calls forget if the account stays empty.
func (p *Pool) account(party Party) *account {
	a := p.parties[party]
	if a == nil {
		a = &account{party: party}
		p.parties[party] = a
	}
	return a
}

// forget drops an account without holds. The caller holds mu.
func (p *Pool) forget(a *account) {
	if a.holds == 0 {
		delete(p.parties, a.party)
	}
}
