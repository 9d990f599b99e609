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
	errDeaf     = errors.New("the gateway took nothing for 15 s")
	errNotEnded = errors.New("the gateway did not end the lane at the end of its drain")
	errEnded    = errors.New("the lane has ended")
	errGoexit   = errors.New("remote: the handler called runtime.Goexit")
)

// pulse tells how long one of a lane's goroutines has been at the same step. The goroutine beats; the watch looks.
type pulse struct {
	beats   atomic.Uint64
	outside atomic.Bool // it waits for the gateway

	// The watch's own.
	seen  uint64    // beats at the last look
	since time.Time // first look that saw them
}

// beat notes a step, and whether the goroutine waits for the gateway now.
func (p *pulse) beat(outside bool) {
	p.beats.Add(1)
	p.outside.Store(outside)
}

// quiet returns how long the goroutine has been at its step, and whether it waits for the gateway. With fresh, it began
// the step now.
func (p *pulse) quiet(now time.Time, fresh bool) (time.Duration, bool) {
	if beats := p.beats.Load(); fresh || beats != p.seen {
		p.seen, p.since = beats, now
	}
	return now.Sub(p.since), p.outside.Load()
}

// watch ends a lane when the gateway is silent, takes nothing or does not end a drain, and logs a call that holds up
// the lane. It has a timer, because a reader or writer that is blocked cannot watch itself.
type watch struct {
	lane           *lane
	reader, writer pulse

	mu     sync.Mutex
	timer  *time.Timer
	over   bool
	until  time.Time // the lane ends then at the latest; zero without a drain
	looked time.Time
	logged bool // the call under way was logged
}

func (w *watch) start(l *lane) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lane, w.looked = l, time.Now()
	w.reader.since, w.writer.since = w.looked, w.looked
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

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	now := time.Now()
	w.judge(now, now.Sub(w.looked) > 5*look)
	w.looked = now
	w.timer.Reset(look)
}

// judge does the work of look. After the whole process has stopped (SIGSTOP, a suspended machine), the responses that
// came meanwhile are read first. The caller holds mu.
func (w *watch) judge(now time.Time, stopped bool) {
	reading, receives := w.reader.quiet(now, stopped)
	writing, sends := w.writer.quiet(now, stopped)
	w.logged = w.logged && reading >= stuck
	switch {
	case !w.until.IsZero() && now.After(w.until):
		w.lane.cancel(errNotEnded)
	case receives && reading >= silence:
		w.lane.cancel(errSilent)
	case sends && writing >= silence:
		w.lane.cancel(errDeaf)
	case !receives && reading >= stuck && !w.logged:
		w.logged = true
		w.lane.logger.Warn("a call of the handler holds up all connections of a lane", "for", reading.Round(time.Second))
	}
}
