package share

import (
	"container/list"
	"context"
	"time"
)

// request is a Hold.Await that waits for room.
type request struct {
	hold    *Hold
	n       int64
	granted chan struct{} // closed when the hold has grown, or was revoked
}

// Await is Grow, but waits for room behind the earlier requests of its party. The error is the last Grow's once ctx has
// ended, and ErrShare if the hold was revoked. The work that n is for must not have begun.
func (h *Hold) Await(ctx context.Context, n int64) error {
	err := h.Grow(n)
	if err == nil || ctx.Err() != nil {
		return err
	}
	r := &request{hold: h, n: n, granted: make(chan struct{})}
	place := h.pool.enqueue(r)
	defer h.pool.dequeue(h.account, place)
	retry := time.NewTicker(Patience / 4) // a hold that becomes stalled meanwhile makes room without a sign
	defer retry.Stop()
	for {
		select {
		case <-r.granted:
			return h.alive()
		case <-retry.C:
			_ = h.pool.locked(func() error { h.pool.serve(); return nil })
		case <-ctx.Done():
			return h.settle(r, err)
		}
	}
}

// settle returns nil if a request was granted in the same moment in which its context ended, else err.
func (h *Hold) settle(r *request, err error) error {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	select {
	case <-r.granted:
		return nil
	default:
		return err
	}
}

// alive returns ErrShare if the hold was revoked.
func (h *Hold) alive() error {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.ended {
		return ErrShare
	}
	return nil
}

func (p *Pool) enqueue(r *request) *list.Element {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queued[r.hold.account] = struct{}{}
	return r.hold.account.queue.PushBack(r)
}

// dequeue takes a request out, if it was not served. What waited behind it may fit.
func (p *Pool) dequeue(a *account, place *list.Element) {
	_ = p.locked(func() error {
		first := place == a.queue.Front()
		a.queue.Remove(place)
		if first {
			p.serve()
		}
		return nil
	})
}

// serve grants the requests that wait and fit now: the first ones of each account. The caller holds mu.
func (p *Pool) serve() {
	if p.serving { // a request that is being granted has revoked a hold
		return
	}
	p.serving = true
	defer func() { p.serving = false }()
	for a := range p.queued {
		for first := a.queue.Front(); first != nil && p.grant(first.Value.(*request)); first = a.queue.Front() {
			a.queue.Remove(first)
		}
		if a.queue.Len() == 0 {
			delete(p.queued, a)
		}
	}
}

// grant grows the hold of a request, and reports whether the request is done.
func (p *Pool) grant(r *request) bool {
	if !r.hold.ended {
		if p.admit(r.hold.account, r.n) != nil {
			return false
		}
		if !r.hold.ended {
			p.change(r.hold, r.hold.size+r.n)
		}
	}
	close(r.granted)
	return true
}
