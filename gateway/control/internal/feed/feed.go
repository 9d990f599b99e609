// Package feed encodes live events once for all streams that select the same ones.
//
// A stream reads the log by itself until it has caught up, and then follows the [Feed] of its selection. A follower
// that falls behind the feed's ring reads the log by itself again, so that a slow stream slows no other.
package feed

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	"github.com/sockgate/sockgate/gateway/internal/wire"
)

const (
	// MaxBatches is the most batches that a feed keeps for followers that are behind.
	MaxBatches = 64
	// maxHeld is the most bytes that all feeds of a service together keep for such followers. Beyond it a feed keeps no
	// batch, and its followers read the log by themselves.
	maxHeld = 16 << 20
)

// Selection selects live events. Two streams with equal selections get the same ones.
type Selection struct {
	Types   event.Types // empty: all
	Filter  string      // the text of a filter, not its meaning; empty: all connections
	MaxData int         // the most payload bytes of a DATA event; 0: no DATA events
}

// Feeds are the feeds of one service, one for each selection that is followed live. The zero value is ready for use,
// and must not be copied. Its methods may be called from any goroutine.
//
// Lock order: docs/locks.md.
type Feeds struct {
	// Buffers provides the memory of batches to every BatchEncoder of the service.
	Buffers BufferPool

	held atomic.Int64 // in the rings of all feeds, in bytes
	mu   sync.Mutex
	open map[Selection]*Feed
}

// Usage counts the feeds of a service, their followers and their memory at one moment.
type Usage struct {
	Followers int   // streams that follow a feed, over all feeds
	Batches   []int // batches in the ring of each open feed, in no order
	Bytes     int64 // size of all these batches
}

// Usage returns what the feeds hold now. It lists a feed without batches too.
func (f *Feeds) Usage() Usage {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := Usage{Bytes: f.held.Load()}
	for _, feed := range f.open {
		feed.mu.Lock()
		u.Followers += feed.followers
		u.Batches = append(u.Batches, len(feed.ring))
		feed.mu.Unlock()
	}
	return u
}

// Feed reads the log once for all streams of one selection, and encodes each batch once. It reads only when a stream
// waits for the next batch, so the fastest stream sets the pace. A slower stream finds the newest batches in the ring.
// A stream that falls behind the ring reads the log by itself again. The methods of a Feed may be called from any
// goroutine.
//
// The first stream that catches up with the log makes the feed. The last stream that leaves ends its goroutine and
// waits for it.
type Feed struct {
	feeds   *Feeds
	sub     *event.Subscription // used by the feed's goroutine alone, like the encoder
	encoder BatchEncoder
	work    *turn.Work
	wanted  chan struct{} // capacity 1; filled by a follower that waits for the next batch
	cancel  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended
	streams int           // entered and not left; guarded by feeds.mu

	mu        sync.Mutex
	ring      []*Batch       // the newest batches, beginning with the oldest that a follower has not taken
	first     uint64         // number of the oldest batch in the ring, or of the next one if the ring is empty
	at        event.Position // after the newest batch
	followers int            // get every batch from now on
	changed   chan struct{}  // closed and replaced when there is a new batch; closed for good at the end
	ended     bool
	panicked  string // value and stack of the goroutine's panic; empty: none
}

// Enter returns the feed of a selection. If no stream follows it yet, it makes the feed, which begins at sub's
// position, and does its work in turns of work, which may be nil. The caller has caught up with the log by sub and
// keeps sub. It must call Leave.
func (f *Feeds) Enter(s Selection, sub *event.Subscription, encoder *wire.EventEncoder, work *turn.Work) *Feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = make(map[Selection]*Feed)
	}
	feed := f.open[s]
	if feed == nil {
		feed = f.start(sub.Fork(), encoder, work)
		f.open[s] = feed
	}
	feed.streams++
	return feed
}

func (f *Feeds) start(sub *event.Subscription, encoder *wire.EventEncoder, work *turn.Work) *Feed {
	ctx, cancel := context.WithCancel(context.Background())
	feed := &Feed{
		feeds:   f,
		sub:     sub,
		work:    work,
		encoder: BatchEncoder{Events: encoder, Pool: &f.Buffers},
		wanted:  make(chan struct{}, 1),
		cancel:  cancel,
		done:    make(chan struct{}),
		at:      sub.Position(),
		changed: make(chan struct{}),
	}
	go feed.run(ctx)
	return feed
}

// Leave ends a stream's use of a feed that Enter returned for the same selection. The last stream waits until the
// feed's goroutine has ended.
func (f *Feeds) Leave(s Selection, feed *Feed) {
	f.mu.Lock()
	feed.streams--
	last := feed.streams == 0
	if last {
		delete(f.open, s)
	}
	f.mu.Unlock()
	if last {
		feed.cancel()
		<-feed.done
	}
}

// run reads and encodes until the log is closed or ctx ends.
func (f *Feed) run(ctx context.Context) {
	defer close(f.done)
	defer f.sub.Close()
	defer func() { f.end(recover()) }()
	reader := batchReader{sub: f.sub, events: make([]event.Event, 0, contract.BatchSize)}
	for {
		select {
		case <-f.wanted:
		case <-ctx.Done():
			return
		}
		from := f.sub.Position()
		events, err := reader.next(ctx)
		if err != nil {
			return // ctx has ended, or the log is closed and everything was read
		}
		for _, b := range f.encoder.Encode(events, from, f.sub) {
			f.publish(b)
		}
		clear(events) // they keep payloads that the log has evicted
		f.work.End()
	}
}

// publish puts a batch into the ring and wakes the followers.
func (f *Feed) publish(b *Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.left = f.followers
	f.at = b.To
	f.ring = append(f.ring, b)
	f.feeds.held.Add(int64(b.Buffer.Len()))
	f.trim()
	for len(f.ring) > MaxBatches || len(f.ring) > 0 && f.feeds.held.Load() > maxHeld {
		f.drop()
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// trim drops the oldest batches that every follower has taken. The caller holds mu.
func (f *Feed) trim() {
	for len(f.ring) > 0 && f.ring[0].left == 0 {
		f.drop()
	}
}

func (f *Feed) drop() {
	b := f.ring[0]
	f.ring[0] = nil
	f.ring = f.ring[1:]
	f.first++
	f.feeds.held.Add(-int64(b.Buffer.Len()))
	b.Buffer.Free()
}

// end tells the followers that no more batches come. After a panic of the feed's goroutine they panic in turn, each in
// the goroutine of its call, where the panic is recovered and logged.
func (f *Feed) end(panicked any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	if panicked != nil {
		f.panicked = fmt.Sprintf("%v\n\n%s", panicked, debug.Stack())
	}
	close(f.changed)
}
