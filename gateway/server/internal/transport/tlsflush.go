package transport

import (
	"errors"
	"os"
	"time"
)

// ownDeadline is after how long a flush that the upper endpoint was not asked for looks whether that wants one too, which has a
// deadline of its own.
const ownDeadline = time.Second

// Flush begins to ask the upper endpoint for bytes.
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

// kick has the raw socket flush what crypto/tls itself has pending. What the upper endpoint has is sent only when that asks for it, so
// that nothing is sent of which it is not told. The caller holds mu.
func (t *tlsSocket) kick() {
	t.regulate()
	if t.pending != nil && t.committed == 0 && !t.has(tlsFlushing) && t.raw.Flush() {
		t.flags |= tlsFlushing
	}
}

// NextWrite returns ciphertext: what is pending, and behind it what the upper endpoint has.
func (t *tlsSocket) NextWrite() ([]byte, Moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.has(tlsUpperFlush) && t.asked == 0 {
		t.ask()
	}
	switch {
	case t.pending == nil, t.asked == 0 && t.committed > 0: // the upper endpoint has given it up, or not asked for its flush yet
		t.flags &^= tlsFlushing
		return nil, 0
	case t.asked > 0:
		return t.pending.rest(), t.deadline
	}
	return t.pending.rest(), t.layer.clock.Now() + Moment(ownDeadline)
}

// ask asks the upper endpoint for its next bytes, and encrypts them if their ciphertext is not pending already. The caller holds mu,
// which is released meanwhile: the endpoint may ask for the next flush as soon as it has no more for this one.
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

// Wrote notes what the raw socket took, and tells the upper endpoint when that is all of what it gave.
func (t *tlsSocket) Wrote(n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if taking := t.took(n); err == nil {
		err = taking
	}
	if err != nil && !late {
		_ = t.stopWriting(err) // the answer has it
	}
	switch {
	case t.asked == 0:
	case t.pending == nil && late, late && t.has(tlsMoved): // progress, though not of a whole record
		t.answer(nil)
	case t.pending == nil, late:
		t.answer(err)
	}
}

// answer tells the upper endpoint what became of what it was asked for. The caller holds mu, which is released meanwhile.
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
