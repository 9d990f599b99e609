package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// requestKept is how long the answer of a request with an ID is kept.
	requestKept = 2 * time.Minute
	// requestsKept is how many are kept; more are refused, so that the two minutes hold for those that are.
	requestsKept = 4096
)

// ErrTooManyRequests says that too many requests with an ID are remembered.
var ErrTooManyRequests = errors.New("4096 requests with a request_id were made in the last 2 minutes; wait, or leave request_id empty")

// RequestIDError says that a request ID was used for other contents.
type RequestIDError struct{ ID string }

// Error names the ID.
func (e *RequestIDError) Error() string {
	return fmt.Sprintf("request_id %q was used in the last 2 minutes with other contents; use a new UUID for a new request", e.ID)
}

// requestLog remembers the answers of requests with an ID.
type requestLog struct {
	mu      sync.Mutex
	answers map[string]*answer
	order   []*answer // oldest first
}

// answer is the answer of one request; result may be read when done is closed.
type answer struct {
	id      string
	content [sha256.Size]byte
	at      time.Time
	done    chan struct{}
	result  BroadcastResult
}

func (a *answer) finish() { close(a.done) }

// claim returns the answer of an ID, and whether the caller is the first and has to finish it.
func (l *requestLog) claim(id string, content [sha256.Size]byte) (*answer, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for len(l.order) > 0 && now.Sub(l.order[0].at) > requestKept {
		delete(l.answers, l.order[0].id)
		l.order[0] = nil
		l.order = l.order[1:]
	}
	if a := l.answers[id]; a != nil {
		if a.content != content {
			return nil, false, &RequestIDError{ID: id}
		}
		return a, false, nil
	}
	if len(l.order) >= requestsKept {
		return nil, false, ErrTooManyRequests
	}
	if l.answers == nil {
		l.answers = make(map[string]*answer)
	}
	a := &answer{id: id, content: content, at: now, done: make(chan struct{})}
	l.answers[id] = a
	l.order = append(l.order, a)
	return a, true, nil
}
