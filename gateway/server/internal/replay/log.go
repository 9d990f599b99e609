// Package replay remembers the answers of requests with an ID, so that a retry gets the first answer.
package replay

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

const (
	// Period is how long an answer is kept, from the claim of its ID.
	Period = 2 * time.Minute
	// Max is the most answers that are kept, of at most 8 failures each; larger ones count as more. A request beyond it is
	// refused, so that no answer is forgotten before Period.
	Max = 1 << 14
	// Share is the most of them of one owner, so that none keeps the others out.
	Share = Max / 8
	// Reserve is how many of them only owners with Reserve may take.
	Reserve = Max / 8
	// failuresPerAnswer is how many failures count as one more answer. They have about as many bytes.
	failuresPerAnswer = 8
)

// Owner is the maker of requests. The zero value has no share: only Max bounds its requests.
type Owner struct {
	Name    string
	Reserve bool
}

// ErrTooMany says that as many answers are kept already as the owner may have, or all may have.
var ErrTooMany = fmt.Errorf("too many requests with a request_id were made in the last 2 minutes: one identity may "+
	"make %d, and all together %d; wait, or leave request_id empty", Share, Max)

// IDError says that the request ID belongs to a request with other contents.
type IDError struct{ ID string }

// Error quotes the ID and says what to do.
func (e *IDError) Error() string {
	return fmt.Sprintf("request_id %q was used in the last 2 minutes with other contents; use a new UUID for a new "+
		"request", e.ID)
}

// Log remembers answers of type R by the ID of their request. The zero value is empty. Its methods may be called from
// any goroutine, and do not wait for an answer.
//
// Lock order: docs/locks.md.
type Log[R any] struct {
	mu      sync.Mutex
	answers map[string]*Answer[R]
	order   []*Answer[R] // oldest first
	kept    int          // answers, the larger ones counted as more
	owned   map[string]int
}

// Answer is the answer of one request. Its first caller makes it, and all others wait for Done.
type Answer[R any] struct {
	Result R             // written by the first caller before Finish; others may read it when Done is closed
	Done   chan struct{} // closed by Finish

	log     *Log[R]
	owner   Owner
	counts  int // as so many answers
	id      string
	content [sha256.Size]byte
	at      time.Time
}

// Finish lets others read Result, which has a number of failures. The first caller calls it, exactly once, also when it
// fails: retries wait for it.
func (a *Answer[R]) Finish(failures int) {
	a.log.mu.Lock()
	if a.counts > 0 { // not forgotten yet
		a.log.count(a, failures/failuresPerAnswer)
	}
	a.log.mu.Unlock()
	close(a.Done)
}

// count changes how much an answer counts. The caller holds mu.
func (l *Log[R]) count(a *Answer[R], more int) {
	a.counts += more
	l.kept += more
	if l.owned[a.owner.Name] += more; l.owned[a.owner.Name] == 0 {
		delete(l.owned, a.owner.Name)
	}
}

// Claim returns the answer of an ID, and whether the caller is the first with this ID, and must call Finish. Content is
// a digest of the request, which a retry must match. The error is ErrTooMany or an *IDError.
func (l *Log[R]) Claim(owner Owner, id string, content [sha256.Size]byte) (*Answer[R], bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.forget(now)
	if a := l.answers[id]; a != nil {
		if a.content != content {
			return nil, false, &IDError{ID: id}
		}
		return a, false, nil
	}
	if !l.admits(owner) {
		return nil, false, ErrTooMany
	}
	if l.answers == nil {
		l.answers, l.owned = make(map[string]*Answer[R]), make(map[string]int)
	}
	a := &Answer[R]{log: l, owner: owner, id: id, content: content, at: now, Done: make(chan struct{})}
	l.answers[id] = a
	l.order = append(l.order, a)
	l.count(a, 1)
	return a, true, nil
}

// forget drops the answers that are old enough. The caller holds mu.
func (l *Log[R]) forget(now time.Time) {
	for len(l.order) > 0 && now.Sub(l.order[0].at) > Period {
		a := l.order[0]
		l.count(a, -a.counts)
		delete(l.answers, a.id)
		l.order[0] = nil
		l.order = l.order[1:]
	}
}

// admits reports whether an owner may have one more answer. The caller holds mu.
func (l *Log[R]) admits(owner Owner) bool {
	switch {
	case owner == Owner{}:
		return l.kept < Max
	case l.owned[owner.Name] >= Share:
		return false
	case owner.Reserve:
		return l.kept < Max
	}
	return l.kept < Max-Reserve
}
