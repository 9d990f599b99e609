package feed

import (
	"context"
	"errors"
	"io"

	"github.com/sockgate/sockgate/gateway/event"
)

// ErrBehind says that a follower is so far behind that its feed does not have its next batch any more.
var ErrBehind = errors.New("behind the feed")

// follower is a stream's place in a feed. It is for one goroutine.
type follower struct {
	feed *Feed
	From event.Position // where the feed had come to when it began: it gets every batch behind that
	next uint64         // number of the next batch
}

// Follow begins at the next batch. The caller must stop.
func (f *Feed) Follow() *follower {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.Followers++
	return &follower{feed: f, From: f.at, next: f.first + uint64(len(f.Ring))}
}

// Take returns the next batch, of whose buffer the caller gets a reference, and waits until there is one. The error is
// errBehind, ctx's, or io.EOF when the log is closed and everything was taken.
func (f *follower) Take(ctx context.Context) (*Batch, error) {
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
func (f *follower) try() (*Batch, <-chan struct{}, error) {
	feed := f.feed
	feed.Mu.Lock()
	defer feed.Mu.Unlock()
	switch {
	case f.next < feed.first:
		return nil, nil, ErrBehind
	case f.next < feed.first+uint64(len(feed.Ring)):
		b := feed.Ring[f.next-feed.first]
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

// pass goes on to the batch behind b. The caller holds feed.mu.
func (f *follower) pass(b *Batch) {
	f.next++
	b.left--
	f.feed.trim()
}

// Stop gives up the batches that were not taken.
func (f *follower) Stop() {
	feed := f.feed
	feed.Mu.Lock()
	defer feed.Mu.Unlock()
	feed.Followers--
	for i, b := range feed.Ring {
		if feed.first+uint64(i) >= f.next {
			b.left--
		}
	}
	feed.trim()
}
