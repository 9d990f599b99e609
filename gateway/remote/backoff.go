package remote

import (
	"context"
	"math/rand/v2"
	"time"
)

// The bounds of the time between two attempts to attach.
const (
	minWait = 50 * time.Millisecond
	maxWait = 5 * time.Second
	// lived is how long a lane must live to begin again with minWait.
	lived = time.Second
)

// backoff counts the attempts of one lane's place. The zero value is the beginning.
type backoff struct{ next time.Duration }

// over notes how long a lane has lived.
func (b *backoff) over(life time.Duration) {
	if life >= lived {
		b.next = 0
	}
}

// longest makes the next wait the longest.
func (b *backoff) longest() { b.next = maxWait }

// wait waits before the next attempt: 50 ms at first, each time twice as long, 5 s at most, and a random part of up to
// half of it less. It returns false when ctx has ended.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = max(b.next, minWait)
	d := b.next - rand.N(b.next/2)
	b.next = min(2*b.next, maxWait)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
