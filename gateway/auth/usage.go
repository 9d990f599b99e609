package auth

import (
	"container/list"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// Usage is what the calls of one identity use now. It must not be copied.
type Usage struct {
	// Streams is the number of the identity's open event streams. The service that opens them counts them.
	Streams atomic.Int64

	calls int // under way; guarded by usages.mu
}

// usages are the usages of the identities that have calls under way.
type usages struct {
	mu  sync.Mutex
	all map[string]*Usage
}

// ErrTooManyCalls says that an identity has as many calls under way as it may.
var ErrTooManyCalls = errors.New("too many calls of this identity are under way; wait until some have ended")

// enter counts a call of a caller until leave. The error is ErrTooManyCalls when most are under way already.
func (u *usages) enter(c *Caller, most int) (of *Usage, leave func(), err error) {
	key := usageKey(c)
	u.mu.Lock()
	defer u.mu.Unlock()
	if of = u.all[key]; of == nil {
		of = &Usage{}
		u.all[key] = of
	}
	if of.calls >= most {
		return nil, nil, ErrTooManyCalls
	}
	of.calls++
	return of, func() { u.leave(key, of) }, nil
}

// leave ends a call that enter counted.
func (u *usages) leave(key string, of *Usage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if of.calls--; of.calls == 0 {
		delete(u.all, key)
	}
}

// usageKey tells identities apart, also equal names with different proofs. Callers that have proven nothing count as
// one when they come from the same IP address, on any port.
func usageKey(c *Caller) string {
	if c.Proof == proofNone {
		return proofNone + " " + hostOf(c.Address)
	}
	return c.Proof + " " + c.Identity
}

const (
	// maxStrangerCalls is the most calls under way that rest on nothing: calls that will be denied, and questions for
	// health. Each may have a message of 4 MiB.
	maxStrangerCalls = 64
	// maxStrangerCallsOf is the most of them from one IP address.
	maxStrangerCallsOf = 16
)

// strangers are the calls under way that rest on nothing. When there are too many, the connection of the oldest is
// closed for a new one: otherwise clients that keep their calls, such as a Watch of health, would keep out clients that
// ask for health.
type strangers struct {
	mu    sync.Mutex
	calls map[string]int // by IP address
	order list.List      // of *strangerCall, the oldest first
}

// strangerCall is one of them.
type strangerCall struct {
	host  string
	conn  io.Closer
	place *list.Element // nil when it no longer counts
}

// enter counts a call of a connection until leave. It returns the connection that has to be closed for it, if any: the
// call's own, with a nil call, when its address has its share already.
func (s *strangers) enter(host string, conn io.Closer) (call *strangerCall, over io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[host] >= maxStrangerCallsOf {
		return nil, conn
	}
	if s.order.Len() >= maxStrangerCalls {
		oldest := s.order.Front().Value.(*strangerCall)
		s.remove(oldest)
		over = oldest.conn
	}
	call = &strangerCall{host: host, conn: conn}
	call.place = s.order.PushBack(call)
	s.calls[host]++
	return call, over
}

// leave ends what enter began.
func (s *strangers) leave(call *strangerCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.place != nil {
		s.remove(call)
	}
}

// remove stops counting a call. The caller holds mu.
func (s *strangers) remove(call *strangerCall) {
	s.order.Remove(call.place)
	call.place = nil
	if s.calls[call.host]--; s.calls[call.host] == 0 {
		delete(s.calls, call.host)
	}
}
