package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/share"
)

// itemCost is what an item takes in memory beyond its bytes.
const itemCost = 512

// errStreamGaveWay ends a call whose events were not read while others needed their memory.
var errStreamGaveWay = &contract.Problem{Code: codes.ResourceExhausted, Reason: contract.ReasonTooManyStreams,
	Text: "this event stream was ended to make room: its caller does not read it, and holds more than its share of the " +
		"memory for streams of the fleet; go on after the last cursor, read faster, or follow less"}

// room is what a leg holds of its caller's share of the memory for events. The exchange takes from it for each item
// that comes; the leg passes the holds on with the items, in their order.
type room struct {
	pool   *share.Pool
	party  share.Party
	revoke func()

	mu    sync.Mutex
	holds []*share.Hold // of the items that came and were not taken
	kept  *share.Hold   // for the next item
	size  int64         // of kept
	need  int64         // of the item for which there was no room; 0: there was
}

// take takes room for an item that came. If there is none, it reports false, and notes how much is needed. It does not
// block.
func (r *room) take(size int) bool {
	n := int64(size) + itemCost
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.kept
	r.kept = nil
	var err error
	switch {
	case h == nil:
		h, err = r.pool.Take(r.party, n, r.revoke)
	case n <= r.size:
		h.Resize(n)
	default:
		if err = h.Grow(n - r.size); err != nil {
			h.Release()
		}
	}
	if err != nil {
		r.need = n
		return false
	}
	r.holds = append(r.holds, h)
	return true
}

// next returns the hold of the item that the leg takes, or nil.
func (r *room) next() *share.Hold {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.holds) == 0 {
		return nil
	}
	h := r.holds[0]
	r.holds = r.holds[1:]
	return h
}

// drop gives back the room of items that were not taken.
func (r *room) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range append(r.holds, r.kept) {
		free(h)
	}
	r.holds, r.kept = nil, nil
}

// wanted returns how much room the item needs that there was none for, or 0.
func (r *room) wanted() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.need
}

// await waits until there is room for the item that there was none for. The error is that of the pool when ctx is over.
func (r *room) await(ctx context.Context) error {
	n := r.wanted()
	h, err := awaitRoom(ctx, r.pool, r.party, n, r.revoke)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept, r.size, r.need = h, n, 0
	return nil
}

// awaitRoom waits for room for n bytes. The error is the pool's when ctx is over.
func awaitRoom(ctx context.Context, pool *share.Pool, party share.Party, n int64, revoke func()) (*share.Hold, error) {
	h, err := pool.Take(party, 0, revoke)
	for ; err != nil; h, err = pool.Take(party, 0, revoke) { // the share is smaller than what the party holds already
		select {
		case <-time.After(share.Patience):
		case <-ctx.Done():
			return nil, err
		}
	}
	if err = h.Await(ctx, n); err != nil {
		h.Release()
		return nil, err
	}
	return h, nil
}

// full says what there is no room in.
func (r *room) full() string {
	u := r.pool.Usage(0)
	return fmt.Sprintf("the caller's streams hold their share of the memory for events, because they are not read fast "+
		"enough; all callers hold %d of %d bytes", u.Held, u.Total)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func free(h *share.Hold) {
	if h != nil {
		h.Release()
	}
}

// roomPatience is how long a leg waits for room before the caller is told.
const roomPatience = 5 * time.Second

// makeRoom waits for room if the leg's last stream ended for want of it. It reports false if ctx has ended.
func (l *leg) makeRoom(ctx context.Context) bool {
	for l.room.wanted() > 0 {
		waiting, cancel := context.WithTimeout(ctx, roomPatience)
		err := l.room.await(waiting)
		cancel()
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case !l.silent && !l.tellSilence(ctx, l.room.full()):
			return false
		}
	}
	return true
}
