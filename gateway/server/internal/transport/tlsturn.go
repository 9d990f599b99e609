package transport

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/fair"
)

// tlsTurn is a handshake from its complete ClientHello to its end. The layer's lock guards place, heir, held and total.
type tlsTurn struct {
	socket *tlsSocket
	place  *fair.Place[netip.Addr, *tlsTurn]
	// lost says that another handshake has the place. It is set only while this one waits for its peer.
	lost        atomic.Bool
	heir        *tlsTurn // the one that has the place, and gets the goroutine; nil unless lost
	held, total int      // places of the address, and of all, when it was lost
	// changed has a token when the socket's in, readErr or flag tlsClosed, or lost, changed while the goroutine waited.
	changed chan struct{}
	ready   chan struct{} // gets a token with a processor; see processors
}

// newTurn returns the turn of a socket.
func newTurn(t *tlsSocket) *tlsTurn {
	return &tlsTurn{socket: t, changed: make(chan struct{}, 1), ready: make(chan struct{}, 1)}
}

// wake makes a goroutine that waits look again.
func (t *tlsTurn) wake() {
	select {
	case t.changed <- struct{}{}:
	default: // it has not looked yet
	}
}

// enter begins a handshake, or makes it wait.
func (l *TLS) enter(t *tlsTurn, origin netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, taken, victim := l.places.Enter(origin, t, time.Duration(l.clock.Now()))
	if t.place = p; taken {
		l.begin(p, victim)
		return
	}
	l.watch()
}

// leave gives up waiting for a place. It returns false when the handshake has begun.
func (l *TLS) leave(t *tlsTurn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.Leave(t.place)
}

// idle says that a handshake waits for its peer.
func (l *TLS) idle(t *tlsTurn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places.Idle(t.place)
}

// busy says that a handshake goes on; false when it has lost its place.
func (l *TLS) busy(t *tlsTurn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.Busy(t.place)
}

// begin starts a handshake that has got a place: in a goroutine of its own, or in the victim's. The caller holds mu.
func (l *TLS) begin(p, victim *fair.Place[netip.Addr, *tlsTurn]) {
	if victim == nil {
		l.running++
		go l.run(p.Value)
		return
	}
	v := victim.Value
	v.heir, v.held, v.total = p.Value, victim.Held, l.places.Total
	v.lost.Store(true)
	v.wake()
}

// watch makes waiting handshakes look again in a while. The caller holds mu.
func (l *TLS) watch() {
	if l.looking == nil {
		l.looking = time.AfterFunc(lookEvery, l.look)
	}
}

// look lets all handshakes begin that may by now.
func (l *TLS) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looking = nil
	if l.serve(l.places.Groups()); l.places.Waiting() > 0 {
		l.watch()
	}
}

// serve lets waiting handshakes begin, and looks at lines addresses for each. The caller holds mu.
func (l *TLS) serve(lines int) {
	for {
		p, victim := l.places.Next(time.Duration(l.clock.Now()), lines)
		if p == nil {
			return
		}
		l.begin(p, victim)
	}
}

// run does a handshake, and then waiting ones, one after the other. It keeps its goroutine, because the stack has grown
// already.
func (l *TLS) run(t *tlsTurn) {
	for t != nil {
		t.socket.perform()
		t = l.next(t)
	}
}

// next returns the next handshake for a goroutine that has finished one; nil ends the goroutine.
func (l *TLS) next(t *tlsTurn) *tlsTurn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.heir != nil {
		return t.heir
	}
	l.places.End(t.place)
	for {
		p, victim := l.places.Next(time.Duration(l.clock.Now()), linesAtEnd)
		if p == nil {
			break
		}
		if victim == nil {
			return p.Value
		}
		l.begin(p, victim)
	}
	if l.running--; l.running == 0 {
		l.ended.Broadcast()
	}
	return nil
}
