package auth

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

// debts are the memory that answers, and calls that have ended, hold until a connection's client has read them. gRPC
// may forget an answer when its connection closes, so the connection then gives up all of them.
//
// A hold is released without the lock: the release may close connections to make room, also this one.
type debts struct {
	mu     sync.Mutex
	holds  map[*share.Hold]*share.Hold // of answers; the value is the hold of the call that ended with the answer, or nil
	ended  []*share.Hold               // of calls that have ended, and whose status may not be written yet
	closed bool
}

// owe adds the hold of an answer. A closed connection releases it at once.
func (d *debts) owe(h *share.Hold) {
	if !d.add(h) {
		h.Release()
	}
}

func (d *debts) add(h *share.Hold) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holds == nil {
		d.holds = make(map[*share.Hold]*share.Hold)
	}
	if !d.closed {
		d.holds[h] = nil
	}
	return !d.closed
}

// pay releases the hold of an answer.
func (d *debts) pay(h *share.Hold) {
	d.mu.Lock()
	call := d.holds[h]
	delete(d.holds, h)
	d.mu.Unlock()
	h.Release()
	if call != nil {
		call.Release()
	}
}

// end keeps the hold of a call that has ended: until its last answer is paid, or if there is none or it is paid
// already, until everything was written.
func (d *debts) end(call, last *share.Hold) {
	if !d.keep(call, last) {
		call.Release()
	}
}

func (d *debts) keep(call, last *share.Hold) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	if _, unpaid := d.holds[last]; unpaid {
		d.holds[last] = call
	} else {
		d.ended = append(d.ended, call)
	}
	return true
}

// WriteBuffer is the size of the buffer through which gRPC must write. gRPC writes less at once only when nothing else
// waits to be written.
const WriteBuffer = 32 << 10

// during writes p, and then releases the holds of calls that had ended before, if nothing else waited to be written.
func (d *debts) during(p []byte, write func([]byte) (int, error)) (int, error) {
	var ended []*share.Hold
	if len(p) < WriteBuffer {
		d.mu.Lock()
		ended, d.ended = d.ended, nil
		d.mu.Unlock()
	}
	n, err := write(p)
	for _, h := range ended {
		h.Release()
	}
	return n, err
}

// release gives up every hold, for good.
func (d *debts) release() {
	d.mu.Lock()
	holds, ended := d.holds, d.ended
	d.holds, d.ended, d.closed = nil, nil, true
	d.mu.Unlock()
	for h, call := range holds {
		h.Release()
		if call != nil {
			call.Release()
		}
	}
	for _, h := range ended {
		h.Release()
	}
}
