package control

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// feedBatches is how many batches a feed keeps for the followers that are behind.
	feedBatches = 64
	// feedBytes is how many bytes all feeds together keep for them.
	feedBytes = 64 << 20
)

// selection is what makes two streams get the same live events.
type selection struct {
	types   event.Types
	filter  string
	maxData int
}

// feeds are the feeds of a service, one for each selection that is followed live.
//
// Lock order: feeds.mu, then a feed's or the event log's; nothing is locked under these. No lock is held while a stream sends,
// reads the log, or waits for a feed's goroutine.
type feeds struct {
	buffers bufferPool
	held    atomic.Int64 // bytes in the rings of all feeds

	mu   sync.Mutex
	open map[selection]*feed
}

// feed reads the log once for all streams of one selection and encodes each batch once. It reads only when one of them waits
// for the next batch, so that the fastest sets the pace. Who is slower finds the newest batches in the ring; who falls behind
// that goes back to reading the log by itself.
//
// The first stream that has caught up with the log makes it, and the last that leaves ends its goroutine and waits for it.
type feed struct {
	feeds   *feeds
	sub     *event.Subscription // the goroutine's own, as the encoder
	encoder batchEncoder
	wanted  chan struct{} // capacity 1: a follower waits for the next batch
	cancel  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended
	streams int           // that use the feed; guarded by feeds.mu

	mu        sync.Mutex
	ring      []*batch // the newest that somebody has not taken yet
	first     uint64   // number of the oldest in the ring, or of the next when it is empty
	at        event.Position
	followers int           // that get every batch from now on
	changed   chan struct{} // closed when there is something new
	ended     bool
	panicked  string // what the goroutine panicked with, and where
}

// enter returns the feed of a selection. The caller has caught up with the log by sub, and must leave it.
func (f *feeds) enter(s selection, sub *event.Subscription, encoder *eventEncoder) *feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = make(map[selection]*feed)
	}
	feed := f.open[s]
	if feed == nil {
		feed = f.start(sub.Fork(), encoder)
		f.open[s] = feed
	}
	feed.streams++
	return feed
}

func (f *feeds) start(sub *event.Subscription, encoder *eventEncoder) *feed {
	ctx, cancel := context.WithCancel(context.Background())
	feed := &feed{
		feeds:   f,
		sub:     sub,
		encoder: batchEncoder{events: encoder, pool: &f.buffers},
		wanted:  make(chan struct{}, 1),
		cancel:  cancel,
		done:    make(chan struct{}),
		at:      sub.Position(),
		changed: make(chan struct{}),
	}
	go feed.run(ctx)
	return feed
}

// leave ends a stream's use of a feed.
func (f *feeds) leave(s selection, feed *feed) {
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
func (f *feed) run(ctx context.Context) {
	defer close(f.done)
	defer f.sub.Close()
	defer func() { f.end(recover()) }()
	reader := batchReader{sub: f.sub, events: make([]event.Event, 0, batchSize)}
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
		for _, b := range f.encoder.encode(events, from, f.sub) {
			f.publish(b)
		}
	}
}

// publish gives a batch to the followers.
func (f *feed) publish(b *batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.left = f.followers
	f.at = b.to
	f.ring = append(f.ring, b)
	f.feeds.held.Add(int64(b.buffer.Len()))
	f.trim()
	for len(f.ring) > feedBatches || len(f.ring) > 1 && f.feeds.held.Load() > feedBytes {
		f.drop()
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// trim drops the oldest batches that nobody needs any more. The caller holds mu.
func (f *feed) trim() {
	for len(f.ring) > 0 && f.ring[0].left == 0 {
		f.drop()
	}
}

func (f *feed) drop() {
	b := f.ring[0]
	f.ring[0] = nil
	f.ring = f.ring[1:]
	f.first++
	f.feeds.held.Add(-int64(b.buffer.Len()))
	b.buffer.Free()
}

// end tells the followers that nothing more comes, and whether that is because of a panic: they panic in turn, each in the
// goroutine of its call, where that is recovered and logged.
func (f *feed) end(panicked any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	if panicked != nil {
		f.panicked = fmt.Sprintf("%v\n\n%s", panicked, debug.Stack())
	}
	close(f.changed)
}
