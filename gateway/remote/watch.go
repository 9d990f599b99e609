package remote

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// look is how often a lane is looked at.
	look = time.Second
	// stuck is how long a call of the handler may take before it is logged.
	stuck = 5 * time.Second
	// grace is how long after a drain a lane waits for the gateway to end the stream.
	grace = 5 * time.Second
)

// The causes of ends that the program makes.
var (
	errSilent   = errors.New("the gateway said nothing for 15 s")
	errNotEnded = errors.New("the gateway did not end the lane at the end of its drain")
	errEnded    = errors.New("the lane has ended")
	errGoexit   = errors.New("remote: the handler called runtime.Goexit")
)

// watch ends a lane when the gateway is silent or does not end a drain, and logs a call that holds up the lane. It has
// one timer, because a writer that is blocked cannot watch.
type watch struct {
	lane     *lane
	progress atomic.Uint64 // calls that began, and steps of the reader
	waiting  atomic.Bool   // the reader waits for the gateway

	mu     sync.Mutex
	timer  *time.Timer
	over   bool
	until  time.Time // the lane ends then at the latest; zero without a drain
	looked time.Time
	seen   uint64    // progress at the last look
	since  time.Time // first look that saw it
	logged bool      // the call under way was logged
}

func (w *watch) start(l *lane) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.lane, w.looked, w.since = l, now, now
	w.timer = time.AfterFunc(look, w.look)
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// endBy makes the lane end at a moment at the latest.
func (w *watch) endBy(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.until.IsZero() || t.Before(w.until) {
		w.until = t
	}
}

// calls notes that a call of the handler begins.
func (w *watch) calls() { w.progress.Add(1) }

// receives notes that the reader waits for the gateway, or does so no more.
func (w *watch) receives(waits bool) {
	w.progress.Add(1)
	w.waiting.Store(waits)
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	now := time.Now()
	w.judge(now)
	w.looked = now
	w.timer.Reset(look)
}

// judge does the work of look. After the whole process has stopped (SIGSTOP, a suspended machine), what came meanwhile
// is read first. The caller holds mu.
func (w *watch) judge(now time.Time) {
	seen, stopped := w.progress.Load(), now.Sub(w.looked) > 5*look
	if seen != w.seen || stopped {
		w.seen, w.since, w.logged = seen, now, false
	}
	quiet, waiting := now.Sub(w.since), w.waiting.Load()
	switch {
	case !w.until.IsZero() && now.After(w.until):
		w.lane.cancel(errNotEnded)
	case waiting && quiet >= silence:
		w.lane.cancel(errSilent)
	case !waiting && quiet >= stuck && !w.logged:
		w.logged = true
		w.lane.logger.Warn("a call of the handler holds up all connections of a lane", "for", quiet.Round(time.Second))
	}
}
