package transport

import (
	"net/netip"
	"sync"

	"github.com/sockgate/sockgate/gateway/server/internal/fair"
)

// processors bounds how many handshakes compute at a time. The addresses that wait are served in turn, so that a crowd
// from one of them holds up no other.
//
// Lock order: docs/locks.md.
type processors struct {
	mu      sync.Mutex
	free    int
	waiting fair.Rota[netip.Addr, chan struct{}]
}

// take waits for a processor. ready is a channel of the caller with a capacity of 1, and is empty.
func (p *processors) take(origin netip.Addr, ready chan struct{}) {
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		return
	}
	p.waiting.Add(origin, ready)
	p.mu.Unlock()
	<-ready
}

// give gives a processor back, or to the next that waits.
func (p *processors) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.waiting.Next()
	if next == nil {
		p.free++
		return
	}
	p.waiting.Remove(next)
	next.Value <- struct{}{}
}
