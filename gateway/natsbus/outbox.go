package natsbus

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxWaiting is the most bytes of messages that wait to be written, overhead included.
const maxWaiting = 8 << 20

// overhead is the size that a message counts for besides its bytes. For many small messages it is most of their memory.
const overhead = 128

// errClosed is the error for work that comes after Close.
var errClosed = errors.New("the bus is closed")

// work is a message, or another task for run. run does it in the order of its arrival.
type work struct {
	subject string
	data    []byte
	life    uint64        // number of the connection that the message is for
	do      func(*client) // nil for a message; its argument is nil if there is no client
}

func (w *work) size() int { return len(w.subject) + len(w.data) + overhead }

// outbox has the work that waits for run. Its methods do not block.
type outbox struct {
	more chan struct{} // has an element if there may be new work

	mu      sync.Mutex
	waiting []work
	bytes   int // size of the messages that wait or are being written
	closed  bool
}

func newOutbox() *outbox { return &outbox{more: make(chan struct{}, 1)} }

// put adds work. The error says that there is no space left for the message, or that the outbox is closed.
func (o *outbox) put(w work) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errClosed
	}
	if w.do == nil {
		if o.bytes+w.size() > maxWaiting {
			return fmt.Errorf("%d bytes wait to be sent to the NATS server already: expected it to take them; "+
				"is it, or the network, too slow?", o.bytes)
		}
		o.bytes += w.size()
	}
	o.waiting = append(o.waiting, w)
	o.wake()
	return nil
}

// wake makes run look for work.
func (o *outbox) wake() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// take takes all work out, and reports whether the outbox is closed. A closed outbox gets no more work.
func (o *outbox) take() (batch []work, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch, o.waiting = o.waiting, nil
	return batch, o.closed
}

// written frees the space of a message that was taken out.
func (o *outbox) written(w *work) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= w.size()
}

// drop forgets all messages, because their connection is lost, and returns their number.
func (o *outbox) drop() (dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = slices.DeleteFunc(o.waiting, func(w work) bool {
		if w.do != nil {
			return false
		}
		o.bytes -= w.size()
		dropped++
		return true
	})
	return dropped
}

// over reports whether the outbox is closed.
func (o *outbox) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}
