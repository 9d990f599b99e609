package entrance

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/server/internal/admission"
)

// Table has the connections that are being admitted. The goroutine that takes one out of them decides what becomes of
// it, and says so with decided when that is done: so each is registered or refused exactly once, whoever wants it
// first.
//
// Lock order: its lock is taken with pending.mu held, and none is taken with it held.
type Table struct {
	mu       sync.Mutex
	pending  map[*pending]struct{}
	deciding sync.WaitGroup
}

// begin adds one.
func (t *Table) begin(p *pending) {
	t.deciding.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.pending = make(map[*pending]struct{})
	}
	t.pending[p] = struct{}{}
}

// take takes one out; false when another did.
func (t *Table) take(p *pending) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, found := t.pending[p]
	delete(t.pending, p)
	return found
}

// decided says that one that was taken out is registered, or refused and counted.
func (t *Table) decided() { t.deciding.Done() }

// RefuseAll refuses all of them, and returns when every one is decided. No more may come: the listeners are closed.
func (t *Table) RefuseAll(r admission.Refusal) {
	for _, p := range t.list() {
		p.refuse(r)
	}
	t.deciding.Wait()
}

// list returns those that are left.
func (t *Table) list() []*pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*pending, 0, len(t.pending))
	for p := range t.pending {
		list = append(list, p)
	}
	return list
}
