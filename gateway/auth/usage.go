package auth

import (
	"container/list"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// Usage is what the calls of one identity use now.
type Usage struct {
	calls   int          // under way; guarded by usages.mu
	Streams atomic.Int64 // event streams open
}

// usages are the usages of the identities that have calls under way.
type usages struct {
	mu  sync.Mutex
	all map[string]*Usage
}

var ErrTooManyCalls = errors.New("too many calls of this identity are under way; wait until some have ended")

// enter counts a call of a caller, unless there are most already; leave ends it.
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

// usageKey tells identities apart, also those that were proven in different ways and look the same. Callers who have proven nothing
// count as one when they come from the same address, whatever the port.
func usageKey(c *Caller) string {
	if c.Proof == proofNone {
		return proofNone + " " + hostOf(c.Address)
	}
	return c.Proof + " " + c.Identity
}

const (
	// maxStrangerCalls is how many calls may be under way that rest on nothing: those that will be denied, and those that ask for
	// health. Each may have a message of 4 MiB.
	maxStrangerCalls = 64
	// maxStrangerCallsOf is how many of them may come from one address.
	maxStrangerCallsOf = 16
)

// strangers are the calls that rest on nothing, by where they come from. When there are most, the connection of the oldest is closed for a
// new one: else those who hold theirs, a Watch of health for example, would keep out those who ask how the gateway is.
type strangers struct {
	mu    sync.Mutex
	calls map[string]int
	order list.List // of *strangerCall, the oldest first
}

// strangerCall is one of them.
type strangerCall struct {
	host  string
	conn  io.Closer
	place *list.Element // nil when it no longer counts
}

// enter counts a call of a connection until leave, and returns the connection that has to be closed for it: its own when there is no room
// for another from its address; nil when there is.
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

// remove counts a call no more. The caller holds mu.
func (s *strangers) remove(call *strangerCall) {
	s.order.Remove(call.place)
	call.place = nil
	if s.calls[call.host]--; s.calls[call.host] == 0 {
		delete(s.calls, call.host)
	}
}
