// Package feed encodes the events of one selection once, for all streams that follow it.
package feed

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/wire"
)

const (
	// FeedBatches is how many batches a feed keeps for the followers that are behind.
	FeedBatches = 64
	// feedBytes is how many bytes all feeds together keep for them.
	feedBytes = 64 << 20
)

// Selection is what makes two streams get the same live events.
type Selection struct {
	Types   event.Types
	Filter  string
	MaxData int
}

// Feeds are the feeds of a service, one for each selection that is followed live.
//
// Lock order: feeds.mu, then a feed's or the event log's; nothing is locked under these. No lock is held while a stream sends,
// reads the log, or waits for a feed's goroutine.
type Feeds struct {
	Buffers bufferPool
	Held    atomic.Int64 // bytes in the rings of all feeds

	Mu   sync.Mutex
	Open map[Selection]*Feed
}

// Feed reads the log once for all streams of one selection and encodes each batch once. It reads only when one of them waits
// for the next batch, so that the fastest sets the pace. Who is slower finds the newest batches in the ring; who falls behind
// that goes back to reading the log by itself.
//
// The first stream that has caught up with the log makes it, and the last that leaves ends its goroutine and waits for it.
type Feed struct {
	feeds   *Feeds
	sub     *event.Subscription // the goroutine's own, as the encoder
	encoder BatchEncoder
	wanted  chan struct{} // capacity 1: a follower waits for the next batch
	cancel  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended
	streams int           // that use the feed; guarded by feeds.mu

	Mu        sync.Mutex
	Ring      []*Batch // the newest that somebody has not taken yet
	first     uint64   // number of the oldest in the ring, or of the next when it is empty
	at        event.Position
	Followers int           // that get every batch from now on
	changed   chan struct{} // closed when there is something new
	ended     bool
	panicked  string // what the goroutine panicked with, and where
}

// Enter returns the feed of a selection. The caller has caught up with the log by sub, and must leave it.
func (f *Feeds) Enter(s Selection, sub *event.Subscription, encoder *wire.EventEncoder) *Feed {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	if f.Open == nil {
		f.Open = make(map[Selection]*Feed)
	}
	feed := f.Open[s]
	if feed == nil {
		feed = f.start(sub.Fork(), encoder)
		f.Open[s] = feed
	}
	feed.streams++
	return feed
}

func (f *Feeds) start(sub *event.Subscription, encoder *wire.EventEncoder) *Feed {
	ctx, cancel := context.WithCancel(context.Background())
	feed := &Feed{
		feeds:   f,
		sub:     sub,
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

// Leave ends a stream's use of a feed.
func (f *Feeds) Leave(s Selection, feed *Feed) {
	f.Mu.Lock()
	feed.streams--
	last := feed.streams == 0
	if last {
		delete(f.Open, s)
	}
	f.Mu.Unlock()
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
			return // ctx has ended, or the log and nothing is left of it
		}
		for _, b := range f.encoder.Encode(events, from, f.sub) {
			f.publish(b)
		}
	}
}

// publish gives a batch to the followers.
func (f *Feed) publish(b *Batch) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	b.left = f.Followers
	f.at = b.To
	f.Ring = append(f.Ring, b)
	f.feeds.Held.Add(int64(b.Buffer.Len()))
	f.trim()
	for len(f.Ring) > FeedBatches || len(f.Ring) > 1 && f.feeds.Held.Load() > feedBytes {
		f.drop()
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// trim drops the oldest batches that nobody needs any more. The caller holds mu.
func (f *Feed) trim() {
	for len(f.Ring) > 0 && f.Ring[0].left == 0 {
		f.drop()
	}
}

func (f *Feed) drop() {
	b := f.Ring[0]
	f.Ring[0] = nil
	f.Ring = f.Ring[1:]
	f.first++
	f.feeds.Held.Add(-int64(b.Buffer.Len()))
	b.Buffer.Free()
}

// end tells the followers that nothing more comes, and whether that is because of a panic: they panic in turn, each in the
// goroutine of its call, where that is recovered and logged.
func (f *Feed) end(panicked any) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.ended = true
	if panicked != nil {
		f.panicked = fmt.Sprintf("%v\n\n%s", panicked, debug.Stack())
	}
	close(f.changed)
}
