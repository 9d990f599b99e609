package entrance

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/fair"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Table has the connections that are being admitted. The goroutine that takes one out decides it, and calls decided
// afterwards. So each is registered or refused exactly once, even when several goroutines compete. The zero value is
// empty. Its methods may be called from any goroutine.
//
// Lock order: docs/locks.md.
type Table struct {
	mu       sync.Mutex
	waiting  crowd
	patience time.Duration
	deciding sync.WaitGroup
}

// crowd is pending connections by origin.
type crowd = fair.Crowd[origin, *pending]

// member is a place in a crowd.
type member = fair.Member[origin, *pending]

// origin is the group of a pending connection. Until a balancer's PROXY header is read, the connection is a group of
// its own: a balancer is one address and many clients.
type origin struct {
	address netip.Addr
	alone   *pending
}

// SetPatience sets the age from which a pending connection may give way to a newcomer.
func (t *Table) SetPatience(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.patience = d
}

// MakeRoom makes one pending connection of the server give way to a newcomer, at a limit of connections. It refuses the
// oldest of the address that has the most, if that is older than the patience and the newcomer's address has fewer or
// is the same; false when none gives way. r is the refusal at the limit.
func (t *Table) MakeRoom(newcomer netip.AddrPort, r admission.Refusal, now transport.Moment) bool {
	return t.makeRoom(&t.waiting, newcomer, r, now)
}

// MakeRoom does the same among the pending connections of the listener.
func (e *Entrance) MakeRoom(newcomer netip.AddrPort, r admission.Refusal) bool {
	return e.Table.makeRoom(&e.waiting, newcomer, r, e.Clock.Now())
}

// makeRoom does the work of MakeRoom.
func (t *Table) makeRoom(among *crowd, newcomer netip.AddrPort, r admission.Refusal, now transport.Moment) bool {
	t.mu.Lock()
	p := t.oldestOfLargest(among, origin{address: admission.OriginOf(newcomer)}, now)
	if p != nil {
		t.remove(p)
	}
	t.mu.Unlock()
	if p == nil {
		return false
	}
	r.Text = admission.GaveWay
	p.timer.Stop()
	p.conclude(r)
	p.socket.Close(false)
	return true
}

// candidates is the most groups that are searched for a connection that gives way.
const candidates = 16

// oldestOfLargest returns the pending connection that gives way to one of the newcomer's group; nil when none does. The
// caller holds mu.
func (t *Table) oldestOfLargest(among *crowd, newcomer origin, now transport.Moment) *pending {
	n, held := 0, among.Count(newcomer)
	for from := range among.Largest() {
		if n++; n > candidates || from != newcomer && among.Count(from) <= held {
			return nil
		}
		for m := range among.Group(from) {
			if p := m.Value; time.Duration(now-p.began) >= t.patience {
				return p
			}
			break // the others are younger
		}
	}
	return nil
}

// begin adds a connection.
func (t *Table) begin(p *pending) {
	t.deciding.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(p)
}

// move puts a connection into the group of an address, unless it is decided.
func (t *Table) move(p *pending, from netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.inTable == nil {
		return
	}
	t.remove(p)
	p.origin = origin{address: from}
	t.add(p)
}

// take takes a connection out; false when another goroutine took it.
func (t *Table) take(p *pending) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.inTable == nil {
		return false
	}
	t.remove(p)
	return true
}

// add adds a connection to its group. The caller holds mu.
func (t *Table) add(p *pending) {
	p.inTable, p.inEntrance = t.waiting.Add(p.origin, p), p.owner.waiting.Add(p.origin, p)
}

// remove takes a connection out of its group. The caller holds mu.
func (t *Table) remove(p *pending) {
	t.waiting.Remove(p.inTable)
	p.owner.waiting.Remove(p.inEntrance)
	p.inTable, p.inEntrance = nil, nil
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
	list := make([]*pending, 0, t.waiting.Len())
	for from := range t.waiting.Largest() {
		for m := range t.waiting.Group(from) {
			list = append(list, m.Value)
		}
	}
	return list
}
