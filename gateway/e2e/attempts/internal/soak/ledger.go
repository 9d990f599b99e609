//go:build linux

package soak

import (
	"fmt"
	"sync"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// account is what is known of one connection.
type account struct {
	sent     uint64 // bytes that the client has sent
	received uint64 // bytes that the client has read
	accepted uint64 // bytes of Send that the gateway accepted
	doubtful uint64 // bytes of Send that it may have accepted: the call failed
	ended    bool   // the client has read to the end of the stream or a reset
	orderly  bool   // the client finished first, and read to the end of the stream
	closed   *pb.Event
}

// ledger has the accounts of the clients that are counted, and every CONNECTED and CLOSED. Its methods may be called
// from any goroutine.
type ledger struct {
	mu       sync.Mutex
	accounts map[string]*account
	live     map[string]bool // CONNECTED and not CLOSED
	settled  int
	closed   int
	gaps     int
	faults   []string
}

func newLedger() *ledger {
	return &ledger{accounts: make(map[string]*account), live: make(map[string]bool)}
}

// fault notes what must not be.
func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(format, args...)
}

// note is fault; the caller holds mu.
func (l *ledger) note(format string, args ...any) {
	const most = 50
	if len(l.faults) < most {
		l.faults = append(l.faults, fmt.Sprintf(format, args...))
	}
}

// event takes an event of the gateway.
func (l *ledger) event(e *pb.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := e.GetConnection().GetId()
	switch e.GetType() {
	case pb.EventType_EVENT_TYPE_GAP:
		l.gaps++
	case pb.EventType_EVENT_TYPE_CONNECTED, pb.EventType_EVENT_TYPE_PRESENT:
		l.live[id] = true
	case pb.EventType_EVENT_TYPE_CLOSED:
		l.closed++
		if !l.live[id] && l.gaps == 0 {
			l.note("%s: CLOSED without CONNECTED, or for the second time", id)
		}
		delete(l.live, id)
		if a := l.accounts[id]; a != nil {
			a.closed = e
			l.settle(id, a)
		}
	}
}

// open opens the account of a client.
func (l *ledger) open(id string) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &account{}
	l.accounts[id] = a
	return a
}

// accept notes bytes of a Send that was accepted.
func (l *ledger) accept(id string, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[id]; a != nil {
		a.accepted += n
	}
}

// doubt notes bytes of a Send that failed.
func (l *ledger) doubt(id string, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[id]; a != nil {
		a.doubtful += n
	}
}

// end notes the end of a client, and what it has sent and read.
func (l *ledger) end(id string, sent, received uint64, orderly bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[id]
	a.sent, a.received, a.ended, a.orderly = sent, received, true, orderly
	l.settle(id, a)
}

// settle checks an account that has both ends. A Send may still be on its way back to its caller, so an account is kept
// until the end of all, when settleAll checks what a Send adds to. The caller holds mu.
func (l *ledger) settle(id string, a *account) {
	if a.closed == nil || !a.ended {
		return
	}
	l.settled++
	row, unsent := a.closed.GetConnection(), a.closed.GetClosed().GetUnsentBytes()
	if a.received+unsent < row.GetBytesSent() {
		l.note("%s: the client got %d, and %d are unsent of %d sent", id, a.received, unsent, row.GetBytesSent())
	}
	if row.GetBytesReceived() > a.sent {
		l.note("%s: %d bytes are received; the client sent %d", id, row.GetBytesReceived(), a.sent)
	}
}

// settleAll checks the accounts with what was accepted for each, when no call is under way any more.
func (l *ledger) settleAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, a := range l.accounts {
		if !a.ended || a.closed == nil {
			if l.gaps == 0 {
				l.note("%s: no end: client %t, CLOSED %t", id, a.ended, a.closed != nil)
			}
			continue
		}
		all := a.sent + a.accepted
		if a.received > all+a.doubtful {
			l.note("%s: the client got %d, and only %d were for it", id, a.received, all)
		}
		reason := a.closed.GetClosed().GetReason()
		if a.orderly && reason == pb.CloseReason_CLOSE_REASON_PEER_CLOSED && a.received < all {
			l.note("%s: the client got %d of %d, and ended in order (%s, %d unsent)", id, a.received, all, reason,
				a.closed.GetClosed().GetUnsentBytes())
		}
	}
	if len(l.live) > 0 && l.gaps == 0 {
		l.note("%d connections have no CLOSED", len(l.live))
	}
}
