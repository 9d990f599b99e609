package share

import (
	"container/list"
	"time"
)

// Hold is a part of a pool that a party has. Its methods may be called from any goroutine, also after the hold was
// revoked. Only Await blocks.
type Hold struct {
	pool    *Pool
	account *account
	revoke  func() // nil: it is never revoked

	// The rest is guarded by the pool's mu.
	size  int64
	since time.Time // since when it has waited for its client; zero: it does not
	ended bool
	place *list.Element // in account.oldest
	waits *list.Element // in account.waiting
}

// Resize makes a hold as large as n, at once, because the memory is there already. What it takes beyond the party's
// share keeps the party from taking more.
func (h *Hold) Resize(n int64) {
	_ = h.pool.locked(func() error {
		if less := n < h.size; !h.ended {
			h.pool.change(h, n)
			if less {
				h.pool.serve()
			}
		}
		return nil
	})
}

// Grow makes a hold larger by n, if the party's share has room for it, as for a new hold. The error is ErrShare or
// ErrFull; the hold is unchanged then.
func (h *Hold) Grow(n int64) error {
	return h.pool.locked(func() error {
		if h.ended {
			return ErrShare
		}
		if err := h.pool.admit(h.account, n); err != nil {
			return err
		}
		if h.ended { // it gave way to itself
			return ErrShare
		}
		h.pool.change(h, h.size+n)
		return nil
	})
}

// Split moves n of a hold to a new one of the same party, with a revoke of its own. Of a revoked hold it returns
// another such.
func (h *Hold) Split(n int64, revoke func()) *Hold {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	part := &Hold{pool: p, account: h.account, revoke: revoke, ended: h.ended}
	if !h.ended {
		h.account.add(part)
		p.change(h, h.size-n)
		p.change(part, n)
	}
	return part
}

// Wait notes that the hold waits for its client from now on, or no longer does. A hold that waits longer than Patience
// gives way first.
func (h *Hold) Wait(waits bool) {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	switch {
	case h.ended:
	case !waits:
		h.account.wait(h, time.Time{})
	case h.since.IsZero():
		h.account.wait(h, h.pool.now())
	}
}

// Release gives a hold back. A second call, and one after the hold was revoked, does nothing.
func (h *Hold) Release() {
	_ = h.pool.locked(func() error { h.pool.end(h); return nil })
}

// add takes note of a new hold. The caller of the account's methods holds the pool's mu.
func (a *account) add(h *Hold) {
	a.holds++
	if h.revoke != nil {
		h.place = a.oldest.PushBack(h)
	}
}

func (a *account) remove(h *Hold) {
	a.holds--
	a.wait(h, time.Time{})
	if h.place != nil {
		a.oldest.Remove(h.place)
		h.place = nil
	}
}

// wait notes since when a hold has waited for its client; zero: it does not.
func (a *account) wait(h *Hold, since time.Time) {
	if h.waits != nil {
		a.waiting.Remove(h.waits)
		h.waits = nil
	}
	if h.since = since; !since.IsZero() && h.place != nil {
		h.waits = a.waiting.PushBack(h)
	}
}

// stalled returns the hold that has waited the longest for its client, if that is longer than Patience, or nil.
func (a *account) stalled(now time.Time) *Hold {
	first := a.waiting.Front()
	if first == nil || now.Sub(first.Value.(*Hold).since) <= Patience {
		return nil
	}
	return first.Value.(*Hold)
}
