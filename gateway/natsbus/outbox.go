package natsbus

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxWaiting is the most bytes of messages that wait to be written.
const maxWaiting = 8 << 20

// overhead is what a message counts for besides its bytes: that of many small ones is more than theirs.
const overhead = 128

// errClosed is what becomes of work that comes after Close.
var errClosed = errors.New("the bus is closed")

// work is a message, or something else to do with the connection, in the order in which it was asked for.
type work struct {
	subject string
	data    []byte
	life    uint64        // of the connection that the message is for
	do      func(*client) // not a message; without a connection its argument is nil
}

func (w *work) size() int { return len(w.subject) + len(w.data) + overhead }

// outbox is the work that waits for run. Its methods do not block, but for next.
type outbox struct {
	more chan struct{} // has an element when there may be something new

	mu      sync.Mutex
	waiting []work
	bytes   int // of messages that are waiting or are being written
	closed  bool
}

func newOutbox() *outbox { return &outbox{more: make(chan struct{}, 1)} }

// put adds work; the error says that there is no room for the message, or that the outbox is closed.
func (o *outbox) put(w work) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errClosed
	}
	if w.do == nil {
		if o.bytes+w.size() > maxWaiting {
			return fmt.Errorf("%d bytes wait to be sent to the NATS server already: expected it to take them; is it, or the network, too slow?", o.bytes)
		}
		o.bytes += w.size()
	}
	o.waiting = append(o.waiting, w)
	o.wake()
	return nil
}

// wake tells run to look.
func (o *outbox) wake() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// take returns all that waits, and whether nothing will come any more.
func (o *outbox) take() (batch []work, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch, o.waiting = o.waiting, nil
	return batch, o.closed
}

// written makes room again for a message that was taken.
func (o *outbox) written(w *work) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= w.size()
}

// drop forgets the messages: there is no connection for them.
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

// over reports whether it takes no more work.
func (o *outbox) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

// close takes no more work.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}
