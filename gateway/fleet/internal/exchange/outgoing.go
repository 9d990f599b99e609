package exchange

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Window of a stream: the most items that are sent and not known to be taken. One item may always be in flight, however
// large it is.
const (
	windowItems = 4
	windowBytes = 1 << 20
	// itemSize is the most bytes of an item. The rest of a message is for the fields around it.
	itemSize = messageSize - 16
)

// streamSilence is how long a follower may be silent before its stream is ended.
const streamSilence = 15 * time.Second

// outgoing is a stream that another node follows. Its methods may be called from any goroutine, but send by one at a
// time.
type outgoing struct {
	x      *Exchange
	work   *work
	window int
	wake   chan struct{} // capacity 1: there may be room

	mu      sync.Mutex
	sent    uint64 // number of the newest item
	sizes   []int  // of the items that were sent and not taken, in order
	bytes   int    // their sum
	heardAt time.Time
}

func newOutgoing(x *Exchange, w *work) *outgoing {
	return &outgoing{x: x, work: w, window: int(min(w.request.GetWindow(), windowItems)), wake: make(chan struct{}, 1),
		heardAt: time.Now()}
}

// send sends an item as soon as there is room for it. An error ends the stream, because an item that was not sent
// cannot be made up for.
func (o *outgoing) send(body []byte) error {
	ctx := o.work.ctx
	if len(body) > itemSize {
		return status.Errorf(codes.ResourceExhausted, "an item of %d bytes; a stream between nodes has at most %d in one",
			len(body), itemSize)
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if number, ok := o.take(len(body)); ok {
			return o.put(number, body)
		}
		select {
		case <-o.wake:
		case <-ctx.Done():
		}
	}
}

// put publishes an item. An item that could not be sent has its number all the same, so the count in the stream's last
// message reveals the loss.
func (o *outgoing) put(number uint64, body []byte) error {
	encoded, err := proto.Marshal(&fleetv1.Item{Number: number, Body: body})
	if err == nil {
		err = o.x.publish(o.x.subjects.Answer(o.x.self.Node, o.work.from), o.work.id, kindItem, encoded)
	}
	if err != nil {
		return fmt.Errorf("item %d of the stream could not be sent: %w", number, err)
	}
	return nil
}

// take makes room for an item and numbers it.
func (o *outgoing) take(size int) (number uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.sizes) >= o.window || len(o.sizes) > 0 && o.bytes+size > windowBytes {
		return 0, false
	}
	o.sent++
	o.sizes = append(o.sizes, size)
	o.bytes += size
	return o.sent, true
}

// credit takes note of how far the stream was taken. It ignores credit for items that were not sent. Taken items need
// no room.
func (o *outgoing) credit(taken uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heardAt = time.Now()
	if taken > o.sent {
		o.x.ignored.note(ignoredGarbage, o.work.from)
		return
	}
	for uint64(len(o.sizes)) > o.sent-taken {
		o.bytes -= o.sizes[0]
		o.sizes = o.sizes[1:]
	}
	select {
	case o.wake <- struct{}{}:
	default: // send is awake already
	}
}

// count returns the number of items so far.
func (o *outgoing) count() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent
}

// silent reports whether the follower has been silent for too long.
func (o *outgoing) silent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.heardAt) > streamSilence
}
