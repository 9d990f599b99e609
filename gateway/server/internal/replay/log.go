// Package replay remembers the answers of requests that have an ID, so that a retry gets the first answer.
package replay

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// Period is how long an answer is kept.
	Period = 2 * time.Minute
	// Max is how many answers are kept. More requests are refused, so that Period holds for the answers that are kept.
	Max = 4096
)

// ErrTooMany says that too many requests with an ID are remembered.
var ErrTooMany = errors.New("4096 requests with a request_id were made in the last 2 minutes; wait, or leave " +
	"request_id empty")

// IDError says that a request ID was used for other contents.
type IDError struct{ ID string }

// Error names the ID.
func (e *IDError) Error() string {
	return fmt.Sprintf("request_id %q was used in the last 2 minutes with other contents; use a new UUID for a new "+
		"request", e.ID)
}

// Log has the answers, of type R. The zero value is empty. Its methods may be called from any goroutine.
type Log[R any] struct {
	mu      sync.Mutex
	answers map[string]*Answer[R]
	order   []*Answer[R] // oldest first
}

// Answer is the answer of one request.
type Answer[R any] struct {
	Result R             // written by the first caller; may be read when Done is closed
	Done   chan struct{} // closed by Finish

	id      string
	content [sha256.Size]byte
	at      time.Time
}

// Finish makes Result readable. The first caller calls it once.
func (a *Answer[R]) Finish() { close(a.Done) }

// Claim returns the answer of an ID, and whether the caller is the first and has to finish it. Content is the digest
// that a retry has in common with the first request. The error is ErrTooMany or an *IDError.
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
