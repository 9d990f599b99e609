package auth

import (
	"container/list"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// Usage is the current usage of one identity's calls. It must not be copied.
type Usage struct {
	// Streams is the number of the identity's open event streams. The service that opens them counts them.
	Streams atomic.Int64

	calls int // under way; guarded by usages.mu
}

// usages has the usage of each identity with calls under way.
type usages struct {
	mu  sync.Mutex
	all map[string]*Usage
}

// ErrTooManyCalls says that an identity has the most calls under way that it may have.
var ErrTooManyCalls = errors.New("too many calls of this identity are under way; wait until some have ended")

// enter counts a call of a caller until leave. The error is ErrTooManyCalls if most calls are under way already.
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

func (u *usages) leave(key string, of *Usage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if of.calls--; of.calls == 0 {
		delete(u.all, key)
	}
}

// usageKey tells identities apart, including equal names with different proofs. Callers without a proof count as one if
// they come from the same IP address, on any port.
func usageKey(c *Caller) string {
	if c.Proof == proofNone {
		return proofNone + " " + hostOf(c.Address)
	}
	return c.Proof + " " + c.Identity
}

const (
	// maxStrangerCalls is the most calls without a grant that may be under way: calls that will be denied, and health
	// checks. Each may have a message of 4 MiB.
	maxStrangerCalls = 64
	// maxStrangerCallsOf is the most such calls from one IP address.
	maxStrangerCallsOf = 16
)

// strangers are the calls under way without a grant. If there are too many, the connection of the oldest is closed for
// a new one. Otherwise clients that keep their calls open, such as a Watch of health, would keep out clients that ask
// for health.
type strangers struct {
	mu    sync.Mutex
	calls map[string]int // by IP address
	order list.List      // of *strangerCall, the oldest first
}

// strangerCall is a call under way without a grant.
type strangerCall struct {
	host  string
	conn  io.Closer
	place *list.Element // nil once it no longer counts
}

// enter counts a call of a connection until leave. It returns the connection that must be closed for it, if any. If its
// address has its share already, that is the call's own connection, and the call is nil.
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

// leave stops counting a call that enter counted.
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
