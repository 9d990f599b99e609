// Package drain has the course of the drain that ends a server: its deadline, which later requests can shorten, and the
// times at which it acts.
package drain

import (
	"sync"
	"time"
)

const (
	// MaxGrace is the longest grace period.
	MaxGrace = 24 * time.Hour
	// HurriedFlush is the flush of a drain without a grace period, which comes on top of it.
	HurriedFlush = time.Second
	// maxFlush is the longest flush at the end of a drain. A flush takes a fifth of the grace period at most, and is part
	// of it.
	maxFlush = 2 * time.Second
)

// Times returns the time from the request of a drain to its deadline, and how long before the deadline the flush
// begins.
func Times(grace time.Duration) (all, flush time.Duration) {
	grace = min(max(grace, 0), MaxGrace)
	if grace == 0 {
		return HurriedFlush, HurriedFlush
	}
	return grace, min(maxFlush, grace/5)
}

// Drain is the only drain of a server. Requests of type R start and join it. New makes it. Any goroutine may call its
// methods.
//
// Lock order: docs/locks.md.
type Drain[R any] struct {
	Begun   chan struct{} // closed when a drain begins
	emptied chan struct{} // capacity 1; gets a token when the last connection has gone
	changed chan struct{} // capacity 1; gets a token when a request joins

	mu       sync.Mutex
	begun    bool
	deadline time.Time // when every connection is closed
	flush    time.Duration
	reason   string
	by       string
	asked    []R    // requests whose farewell is not sent and whose record is not made
	left     uint64 // connections that did not end by themselves; set together with over
	over     bool   // every connection has ended: a request is recorded at once
}

// New returns a drain that has not begun.
func New[R any]() *Drain[R] {
	return &Drain[R]{Begun: make(chan struct{}), emptied: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
}

// Status describes a drain.
type Status struct {
	Begun      bool
	Over       bool // every connection has ended
	Deadline   time.Time
	Reason, By string // of the request that began it
	Left       uint64 // connections that did not end by themselves, when it is over
}

// Status returns how the drain stands.
func (d *Drain[R]) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status()
}

// status does the work of Status. The caller holds mu.
func (d *Drain[R]) status() Status {
	return Status{Begun: d.begun, Over: d.over, Deadline: d.deadline, Reason: d.reason, By: d.by, Left: d.left}
}

// Join starts or joins the drain, which keeps the reason of the first request, and the earlier of two deadlines.
func (d *Drain[R]) Join(r R, deadline time.Time, flush time.Duration, reason, by string) (s Status, joined bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	joined = d.begun
	switch {
	case !joined:
		d.begun, d.deadline, d.flush, d.reason, d.by = true, deadline, flush, reason, by
		close(d.Begun)
	case deadline.Before(d.deadline):
		d.deadline, d.flush = deadline, flush
	}
	d.asked = append(d.asked, r)
	token(d.changed)
	return d.status(), joined
}

// Asked returns the requests that came since the last call.
func (d *Drain[R]) Asked() []R {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = nil
	return asked
}

// Emptied says that the last connection has gone.
func (d *Drain[R]) Emptied() { token(d.emptied) }

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// End says that every connection has ended, all but left of them by themselves.
func (d *Drain[R]) End(left uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over, d.left = true, left
}

func (d *Drain[R]) times() (deadline, flushAt time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.deadline, d.deadline.Add(-d.flush)
}

// Await waits until no connection is live or the flush must begin, and returns how many are left. It calls answer for
// each change, and progress each second.
func (d *Drain[R]) Await(live func() int, answer, progress func()) uint64 {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		answer()
		if live() == 0 {
			return 0
		}
		_, flushAt := d.times()
		timer := time.NewTimer(time.Until(flushAt))
		select {
		case <-d.emptied:
		case <-d.changed:
		case <-ticker.C:
			progress()
		case <-timer.C:
			return uint64(live())
		}
		timer.Stop()
	}
}

// Close ends the connections that are left by the deadline. It calls flush with the deadline; a quarter of the time
// until then is for cutShort, which closes those that did not finish by themselves, because there may be many.
func (d *Drain[R]) Close(live func() int, answer func(), flush func(deadline time.Time), cutShort func()) {
	deadline, _ := d.times()
	flush(deadline)
	for live() > 0 {
		now, _ := d.times()
		timer := time.NewTimer(time.Until(now))
		select {
		case <-d.emptied:
		case <-d.changed:
			answer()
		case <-timer.C:
			cutShort()
			<-d.emptied
		}
		timer.Stop()
	}
}
