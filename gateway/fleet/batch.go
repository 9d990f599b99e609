package fleet

import (
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/share"
)

// batch collects the events of the next response.
type batch struct {
	events []byte
	count  int
	holds  []*share.Hold // of the room for the events
}

// size returns the number of events in the batch, and their bytes.
func (b *batch) size() contract.Batch { return contract.Batch{Events: b.count, Bytes: len(b.events)} }

// add adds an item. The batch owns the item's bytes from then on.
func (b *batch) add(it item) {
	b.count += it.count
	if it.hold != nil {
		b.holds = append(b.holds, it.hold)
	}
	if len(b.events) == 0 {
		b.events = it.events
		return
	}
	b.events = append(b.events, it.events...)
}

// free gives back the room for the events.
func (b *batch) free() {
	for _, h := range b.holds {
		h.Release()
	}
	b.holds = nil
}
