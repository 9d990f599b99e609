package transport

import (
	"errors"
	"os"
	"time"
)

// ownDeadline limits a flush of crypto/tls's own bytes. At the deadline, the flush checks whether the upper endpoint
// has asked for a flush meanwhile, which has a deadline of its own.
const ownDeadline = time.Second

// Flush implements Socket.
func (t *tlsSocket) Flush() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has(tlsClosing | tlsClosed) {
		return false
	}
	t.flags |= tlsUpperFlush
	if t.has(tlsFlushing) {
		return true
	}
	if !t.raw.Flush() {
		t.flags &^= tlsUpperFlush
		return false
	}
	t.flags |= tlsFlushing
	return true
}

// kick flushes the pending bytes of crypto/tls itself through the raw socket. The upper endpoint's bytes are sent only
// in a flush that the endpoint asked for, so that it learns of every byte. The caller holds mu.
func (t *tlsSocket) kick() {
	t.regulate()
	if t.pending != nil && t.committed == 0 && !t.has(tlsFlushing) && t.raw.Flush() {
		t.flags |= tlsFlushing
	}
}

// NextWrite implements Endpoint: it returns the pending ciphertext, and behind it that of the upper endpoint's bytes.
func (t *tlsSocket) NextWrite() ([]byte, Moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.has(tlsUpperFlush) && t.asked == 0 {
		t.ask()
	}
	switch {
	// The upper endpoint has given its bytes up, or has not asked for its flush yet.
	case t.pending == nil, t.asked == 0 && t.committed > 0:
		t.flags &^= tlsFlushing
		return nil, 0
	case t.asked > 0:
		return t.pending.rest(), t.deadline
	}
	return t.pending.rest(), t.layer.clock.Now() + Moment(ownDeadline)
}

// ask takes the upper endpoint's next bytes, and encrypts them unless their ciphertext is pending already. It releases
// mu during NextWrite, because the endpoint may ask for the next flush as soon as it has no more bytes for this one.
// The caller holds mu.
func (t *tlsSocket) ask() {
	t.flags &^= tlsUpperFlush
	t.mu.Unlock()
	p, deadline := t.upper.NextWrite()
	t.mu.Lock()
	if len(p) == 0 {
		return
	}
	t.flags = t.flags&^tlsMoved | tlsUpperFlush
	t.asked, t.deadline = len(p), deadline
	err := t.writable()
	if err == nil && t.committed == 0 {
		err = t.encrypt(p)
	}
	if err != nil || t.pending == nil {
		t.answer(err)
	}
}

// Wrote implements Endpoint: it records the raw socket's progress, and tells the upper endpoint when all its bytes are
// taken.
func (t *tlsSocket) Wrote(n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if taking := t.took(n); err == nil {
		err = taking
	}
	if err != nil && !late {
		_ = t.stopWriting(err) // answer reports the error
	}
	switch {
	case t.asked == 0:
	case t.pending == nil && late, late && t.has(tlsMoved): // progress, though not of a whole record
		t.answer(nil)
	case t.pending == nil, late:
		t.answer(err)
	}
}

// answer tells the upper endpoint how many of its bytes were taken. The caller holds mu; answer releases it during the
// call.
func (t *tlsSocket) answer(err error) {
	n := 0
	if err == nil && t.pending == nil {
		n = min(t.committed, t.asked)
	}
	t.committed -= n
	t.asked = 0
	t.mu.Unlock()
	t.upper.Wrote(n, err)
	t.mu.Lock()
}
