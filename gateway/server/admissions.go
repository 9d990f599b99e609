package server

import "sync"

// admissions are the connections that are being admitted. Who takes one out of them decides what becomes of it, and says so with decided
// when that is done: so each is registered or refused exactly once, whoever wants it first.
//
// Lock order: its lock is taken with pending.mu held, and none is taken with it held.
type admissions struct {
	mu       sync.Mutex
	pending  map[*pending]struct{}
	deciding sync.WaitGroup
}

// begin adds one.
func (a *admissions) begin(p *pending) {
	a.deciding.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending == nil {
		a.pending = make(map[*pending]struct{})
	}
	a.pending[p] = struct{}{}
}

// take takes one out; false when another did.
func (a *admissions) take(p *pending) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, found := a.pending[p]
	delete(a.pending, p)
	return found
}

// decided says that one that was taken out is registered, or refused and counted.
func (a *admissions) decided() { a.deciding.Done() }

// refuseAll refuses all of them, and returns when every one is decided. No more may come: the listeners are closed.
func (a *admissions) refuseAll(r refusal) {
	for _, p := range a.list() {
		p.refuse(r)
	}
	a.deciding.Wait()
}

// list returns those that are left.
func (a *admissions) list() []*pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*pending, 0, len(a.pending))
	for p := range a.pending {
		list = append(list, p)
	}
	return list
}
