package auth

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

// debts are the memory that answers hold until a connection's client has read them. gRPC may forget an answer when its
// connection closes, so the connection then gives up all of them.
type debts struct {
	mu     sync.Mutex
	holds  map[*share.Hold]struct{}
	closed bool
}

// owe adds a hold. A closed connection releases it at once.
func (d *debts) owe(h *share.Hold) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		h.Release()
		return
	}
	if d.holds == nil {
		d.holds = make(map[*share.Hold]struct{})
	}
	d.holds[h] = struct{}{}
}

// pay releases a hold.
func (d *debts) pay(h *share.Hold) {
	d.mu.Lock()
	delete(d.holds, h)
	d.mu.Unlock()
	h.Release()
}

// release gives up every hold, for good.
func (d *debts) release() {
	d.mu.Lock()
	holds := d.holds
	d.holds, d.closed = nil, true
	d.mu.Unlock()
	for h := range holds {
		h.Release()
	}
}
