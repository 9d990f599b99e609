package server

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
)

// failurePeriod is how often failures of one kind make an event at most, so that a flood of them cannot flood the log.
const failurePeriod = time.Second

// failures gathers failures of one kind: the first is reported at once, those of the second after it together.
type failures[T any] struct {
	report    func(newest T, count uint64) // called without mu
	reporting sync.Mutex                   // one report at a time; taken before mu

	mu     sync.Mutex
	count  uint64      // since the last report
	newest T           // what is kept of the last one
	timer  *time.Timer // reports what gathers; nil when nothing was reported lately
}

// add notes one failure.
func (f *failures[T]) add(newest T) {
	f.mu.Lock()
	f.count++
	f.newest = newest
	first := f.timer == nil
	if first {
		f.timer = time.AfterFunc(failurePeriod, f.tick)
	}
	f.mu.Unlock()
	if first {
		f.flush()
	}
}

// tick reports what has gathered, and goes on as long as something does.
func (f *failures[T]) tick() {
	f.mu.Lock()
	switch {
	case f.timer == nil: // stopped
	case f.count == 0:
		f.timer = nil
	default:
		f.timer.Reset(failurePeriod)
	}
	f.mu.Unlock()
	f.flush()
}

// stop reports what is left and leaves no timer behind.
func (f *failures[T]) stop() {
	f.mu.Lock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	f.mu.Unlock()
	f.flush()
}

// flush reports what has gathered, if anything has.
func (f *failures[T]) flush() {
	f.reporting.Lock()
	defer f.reporting.Unlock()
	f.mu.Lock()
	newest, count := f.newest, f.count
	f.count = 0
	f.mu.Unlock()
	if count > 0 {
		f.report(newest, count)
	}
}

// refused is a refusal and whom it met.
type refused struct {
	admission.Refusal
	remote netip.AddrPort // as far as it was known
}

// refuse counts a refusal and tells of it: at once when it is the first of its reason, with others of a second when it is not. The caller
// closes the socket, and holds no lock.
func (l *listener) refuse(r admission.Refusal, remote netip.AddrPort) {
	l.server.counters.refusals[r.Reason].Add(1)
	l.refusals[r.Reason].add(refused{r, remote})
}

// reportRefusals makes an event of refusals of one reason, the newest of which is given.
func (l *listener) reportRefusals(newest refused, count uint64) {
	d := &event.RefusedDetail{Reason: newest.Reason, Listener: l.config.Name, Count: count, Message: event.ShortText(newest.Message()),
		Remote: l.peerAddress(newest.remote)}
	l.server.log.Append(&event.Event{Type: event.Refused, Detail: d})
	l.server.config.Logger.Warn("connections refused", "listener", d.Listener, "reason", d.Reason, "count", d.Count, "newest", d.Message,
		"address", d.Remote)
}

// peerAddress is the address of a peer in words: that of a unix socket is the listener's path.
func (l *listener) peerAddress(remote netip.AddrPort) string {
	return (&event.Identity{Listener: l.name, Remote: remote}).RemoteAddress()
}

// stopReporting tells of the refusals that have not been told of, and leaves no timer behind.
func (l *listener) stopReporting() {
	for reason := range l.refusals {
		l.refusals[reason].stop()
	}
}
