package control

import (
	"context"
	"errors"
	"io"

	"github.com/sockgate/sockgate/gateway/event"
)

// errBehind says that a follower is so far behind that its feed does not have its next batch any more.
var errBehind = errors.New("behind the feed")

// follower is a stream's place in a feed. It is for one goroutine.
type follower struct {
	feed *feed
	from event.Position // where the feed had come to when it began: it gets every batch behind that
	next uint64         // number of the next batch
}

// follow begins at the next batch. The caller must stop.
func (f *feed) follow() *follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers++
	return &follower{feed: f, from: f.at, next: f.first + uint64(len(f.ring))}
}

// take returns the next batch, of whose buffer the caller gets a reference, and waits until there is one. The error is
// errBehind, ctx's, or io.EOF when the log is closed and everything was taken.
func (f *follower) take(ctx context.Context) (*batch, error) {
	for {
		b, changed, err := f.try()
		if b != nil || err != nil {
			return b, err
		}
		select {
		case f.feed.wanted <- struct{}{}:
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try is take without waiting: when there is nothing, it returns what is closed when there is.
func (f *follower) try() (*batch, <-chan struct{}, error) {
	feed := f.feed
	feed.mu.Lock()
	defer feed.mu.Unlock()
	switch {
	case f.next < feed.first:
		return nil, nil, errBehind
	case f.next < feed.first+uint64(len(feed.ring)):
		b := feed.ring[f.next-feed.first]
		b.buffer.Ref()
		f.pass(b)
		return b, nil, nil
	case feed.panicked != "":
		panic(feed.panicked)
	case feed.ended:
		return nil, nil, io.EOF
	}
	return nil, feed.changed, nil
}

// pass goes on to the batch behind b. The caller holds feed.mu.
func (f *follower) pass(b *batch) {
	f.next++
	b.left--
	f.feed.trim()
}

// stop gives up the batches that were not taken.
func (f *follower) stop() {
	feed := f.feed
	feed.mu.Lock()
	defer feed.mu.Unlock()
	feed.followers--
	for i, b := range feed.ring {
		if feed.first+uint64(i) >= f.next {
			b.left--
		}
	}
	feed.trim()
}
