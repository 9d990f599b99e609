package feed

import (
	"context"
	"errors"
	"io"

	"github.com/sockgate/sockgate/gateway/event"
)

// ErrBehind says that a follower's next batch is no longer in its feed. The stream has to read the log by itself.
var ErrBehind = errors.New("behind the feed")

// Follower is a stream's place in a feed. It is for use by one goroutine.
type Follower struct {
	feed *Feed
	From event.Position // the feed's position when the follower began; the follower gets every batch after it
	next uint64         // number of the next batch
}

// Follow returns a follower that begins at the feed's next batch. The caller must call Stop, and then Leave.
func (f *Feed) Follow() *Follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers++
	return &Follower{feed: f, From: f.at, next: f.first + uint64(len(f.ring))}
}

// Take waits for the next batch and returns it with a reference to its buffer, which the caller must free. The error is
// ErrBehind, the error of ctx, or io.EOF when the log is closed and every batch was taken. Take panics if the feed's
// goroutine did.
func (f *Follower) Take(ctx context.Context) (*Batch, error) {
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

// try takes a batch without waiting. If there is none yet, it returns a channel that is closed when there is one.
func (f *Follower) try() (*Batch, <-chan struct{}, error) {
	feed := f.feed
	feed.mu.Lock()
	defer feed.mu.Unlock()
	switch {
	case f.next < feed.first:
		return nil, nil, ErrBehind
	case f.next < feed.first+uint64(len(feed.ring)):
		b := feed.ring[f.next-feed.first]
		b.Buffer.Ref()
		f.pass(b)
		return b, nil, nil
	case feed.panicked != "":
		panic(feed.panicked)
	case feed.ended:
		return nil, nil, io.EOF
	}
	return nil, feed.changed, nil
}

// pass goes on to the batch after b. The caller holds feed.mu.
func (f *Follower) pass(b *Batch) {
	f.next++
	b.left--
	f.feed.trim()
}

// Stop ends the follower and gives up the batches that it has not taken.
func (f *Follower) Stop() {
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
