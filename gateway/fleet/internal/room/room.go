// Package room has the room that one stream of events of another node takes of its caller's share of the memory.
package room

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

// ItemCost is what an item takes in memory beyond its bytes.
const ItemCost = 512

// Room is what a leg holds of its caller's share of the memory for events. The exchange takes from it for each item
// that comes; the leg passes the holds on with the items, in their order.
type Room struct {
	Pool   *share.Pool
	Party  share.Party
	Revoke func() // ends the call; see share.Pool

	mu    sync.Mutex
	holds []*share.Hold // of the items that came and were not taken
	kept  *share.Hold   // for the next item
	size  int64         // of kept
	need  int64         // of the item for which there was no room; 0: there was
}

// Take takes room for an item that came. If there is none, it reports false, and notes how much is needed. It does not
// block.
func (r *Room) Take(size int) bool {
	n := int64(size) + ItemCost
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.kept
	r.kept = nil
	var err error
	switch {
	case h == nil:
		h, err = r.Pool.Take(r.Party, n, r.Revoke)
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

// Next returns the hold of the item that the leg takes, or nil.
func (r *Room) Next() *share.Hold {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.holds) == 0 {
		return nil
	}
	h := r.holds[0]
	r.holds = r.holds[1:]
	return h
}

// Drop gives back the room of items that were not taken.
func (r *Room) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range append(r.holds, r.kept) {
		Free(h)
	}
	r.holds, r.kept = nil, nil
}

// Wanted returns how much room the item needs that there was none for, or 0.
func (r *Room) Wanted() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.need
}

// Await waits until there is room for the item that there was none for. The error is that of the pool when ctx is over.
func (r *Room) Await(ctx context.Context) error {
	n := r.Wanted()
	h, err := Await(ctx, r.Pool, r.Party, n, r.Revoke)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept, r.size, r.need = h, n, 0
	return nil
}

// Await waits for room for n bytes. The error is the pool's when ctx is over.
func Await(ctx context.Context, pool *share.Pool, party share.Party, n int64, revoke func()) (*share.Hold, error) {
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

// Full says what there is no room in.
func (r *Room) Full() string {
	u := r.Pool.Usage(0)
	return fmt.Sprintf("the caller's streams hold their share of the memory for events, because they are not read fast "+
		"enough; all callers hold %d of %d bytes", u.Held, u.Total)
}

// Free gives a hold back; nil is none.
func Free(h *share.Hold) {
	if h != nil {
		h.Release()
	}
}
