package entrance

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/server/internal/admission"
)

// Table has the connections that are being admitted. The goroutine that takes one out decides it, and calls decided
// afterwards. So each is registered or refused exactly once, even when several goroutines compete. The zero value is
// empty. Its methods may be called from any goroutine.
//
// Lock order: docs/locks.md.
type Table struct {
	mu       sync.Mutex
	pending  map[*pending]struct{}
	deciding sync.WaitGroup
}

// begin adds a connection.
func (t *Table) begin(p *pending) {
	t.deciding.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.pending = make(map[*pending]struct{})
	}
	t.pending[p] = struct{}{}
}

// take takes a connection out; false when another goroutine took it.
func (t *Table) take(p *pending) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, found := t.pending[p]
	delete(t.pending, p)
	return found
}

// decided says that a connection that was taken out is registered, or is refused and counted.
func (t *Table) decided() { t.deciding.Done() }

// RefuseAll refuses every connection, and blocks until all are decided. The listeners must be closed, so that no more
// come.
func (t *Table) RefuseAll(r admission.Refusal) {
	for _, p := range t.list() {
		p.refuse(r)
	}
	t.deciding.Wait()
}

// list returns the connections that are left.
func (t *Table) list() []*pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*pending, 0, len(t.pending))
	for p := range t.pending {
		list = append(list, p)
	}
	return list
}
