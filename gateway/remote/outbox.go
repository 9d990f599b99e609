package remote

import (
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// maxWaiting is how many bytes of commands may wait before a call that posts one blocks.
const maxWaiting = 1 << 20

// maxSpares is how many empty batches are kept: as many as can wait.
const maxSpares = maxWaiting / maxBatch

// outbox has the commands that a lane's writer will send. Batching needs no timer: a batch gathers while the batch
// before it is being sent.
type outbox struct {
	mu      sync.Mutex
	room    sync.Cond // waiting has fallen, or the outbox has ended
	waiting int       // bytes in all batches, the one that is being sent included
	full    []*batch  // batches that take no more, oldest first
	open    *batch    // takes commands; never nil
	spares  []*batch  // for use as the next open one
	drain   *durationpb.Duration
	idle    bool // the writer waits for woken
	ended   bool
	woken   chan struct{} // of capacity 1
}

func newOutbox() *outbox {
	o := &outbox{open: newBatch(), woken: make(chan struct{}, 1)}
	o.room.L = &o.mu
	return o
}

// post adds a command, and takes over the parts of g that batch.add takes. It blocks while there is no room. It returns
// false when the lane has ended.
func (o *outbox) post(number uint64, g *change, acknowledged uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.waiting > maxWaiting && !o.ended {
		o.room.Wait()
	}
	return o.add(number, g, acknowledged)
}

// put is post, but never blocks. The caller has waited with await.
func (o *outbox) put(number uint64, g *change, acknowledged uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.add(number, g, acknowledged)
}

// await waits until there is room, or the lane has ended.
func (o *outbox) await() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.waiting > maxWaiting && !o.ended {
		o.room.Wait()
	}
}

// add does the work of post. The caller holds mu.
func (o *outbox) add(number uint64, g *change, acknowledged uint64) bool {
	if o.ended {
		return false
	}
	cost := g.cost()
	if !o.open.takes(cost) {
		o.full = append(o.full, o.open)
		o.open = o.empty()
	}
	o.open.add(number, g, acknowledged, cost)
	o.waiting += cost
	o.wake()
	return true
}

// wake wakes the writer if it waits. The caller holds mu.
func (o *outbox) wake() {
	if o.idle {
		o.idle = false
		o.woken <- struct{}{}
	}
}

// drainWithin makes the writer ask for a drain.
func (o *outbox) drainWithin(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drain = durationpb.New(d)
	o.wake()
}

// take returns the next batch to send, or nil when there is none. The writer must then wait for woken.
func (o *outbox) take() *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.full) > 0 {
		b := o.full[0]
		o.full = append(o.full[:0], o.full[1:]...)
		return b
	}
	if len(o.open.request.Commands) == 0 && o.drain == nil {
		o.idle = true
		return nil
	}
	b := o.open
	b.request.Drain, o.drain = o.drain, nil
	o.open = o.empty()
	return b
}

// empty returns a batch without commands. The caller holds mu.
func (o *outbox) empty() *batch {
	n := len(o.spares)
	if n == 0 {
		return newBatch()
	}
	b := o.spares[n-1]
	o.spares[n-1], o.spares = nil, o.spares[:n-1]
	return b
}

// taken makes room for what was in a batch that gRPC has taken.
func (o *outbox) taken(b *batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting > maxWaiting {
		o.room.Broadcast()
	}
	o.waiting -= b.bytes
	b.reset()
	if len(o.spares) < maxSpares {
		o.spares = append(o.spares, b)
	}
}

// end makes every call return, now and later. Nothing is sent any more.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.room.Broadcast()
}
