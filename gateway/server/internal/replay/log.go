// Package replay remembers the answers of requests with an ID, so that a retry gets the first answer.
package replay

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// Period is how long an answer is kept, from the claim of its ID.
	Period = 2 * time.Minute
	// Max is the most answers that are kept. A request beyond it is refused, so that no answer is forgotten before Period.
	Max = 4096
)

// ErrTooMany says that Max answers are kept already.
var ErrTooMany = errors.New("4096 requests with a request_id were made in the last 2 minutes; wait, or leave " +
	"request_id empty")

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
}

// Answer is the answer of one request. Its first caller makes it, and all others wait for Done.
type Answer[R any] struct {
	Result R             // written by the first caller before Finish; others may read it when Done is closed
	Done   chan struct{} // closed by Finish

	id      string
	content [sha256.Size]byte
	at      time.Time
}

// Finish lets others read Result. The first caller calls it, exactly once, also when it fails: retries wait for it.
func (a *Answer[R]) Finish() { close(a.Done) }

// Claim returns the answer of an ID, and whether the caller is the first with this ID, and must call Finish. Content is
// a digest of the request, which a retry must match. The error is ErrTooMany or an *IDError.
func (l *Log[R]) Claim(id string, content [sha256.Size]byte) (*Answer[R], bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for len(l.order) > 0 && now.Sub(l.order[0].at) > Period {
		delete(l.answers, l.order[0].id)
		l.order[0] = nil
		l.order = l.order[1:]
	}
	if a := l.answers[id]; a != nil {
		if a.content != content {
			return nil, false, &IDError{ID: id}
		}
		return a, false, nil
	}
	if len(l.order) >= Max {
		return nil, false, ErrTooMany
	}
	if l.answers == nil {
		l.answers = make(map[string]*Answer[R])
	}
	a := &Answer[R]{id: id, content: content, at: now, Done: make(chan struct{})}
	l.answers[id] = a
	l.order = append(l.order, a)
	return a, true, nil
}
