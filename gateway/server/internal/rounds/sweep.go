package rounds

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/pace"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Sweep finds connections that have been silent for too long: idle ones, and ones that never sent a byte. One goroutine
// looks at all connections, so that a silent connection needs no timer. A timeout is therefore late by up to a
// sixteenth of it (5 ms to 1 s). Each look uses the limits in force, so a change of them takes effect within a second.
type Sweep[C any] struct {
	Conns  Conns[C]
	Limits func() (idle, firstByte time.Duration) // those in force; 0 is none
	// Active returns the moment when a connection was last active.
	Active func(c C) transport.Moment
	// Idle handles a connection that was not active for the timeout, and returns the moment from which it can be idle
	// again.
	Idle func(c C, now transport.Moment, timeout time.Duration) transport.Moment
	// Accepted returns the moment when a connection was accepted, and its seq.
	Accepted func(c C) (at transport.Moment, seq uint64)
	// Old handles a connection that is as old as the first-byte timeout.
	Old func(c C, timeout time.Duration)
	// Judged is the seq up to which connections need no further look for their first byte: they have sent a byte in time,
	// or are ending because they have not.
	Judged uint64
	Oldest transport.Moment // the other connections were accepted at this moment or later
	active transport.Moment // no connection that can become idle was active before this moment
}

// Conns are the live connections in the order of their arrival, as registry.Registry has them.
type Conns[C any] interface {
	Walk(f func(C) bool)
	Page(after uint64, page []C) []C
}

// Period returns the time until the next look.
func (w *Sweep[C]) Period() time.Duration { return Period(w.Limits()) }

// Once looks for silent connections, unless none can be due.
func (w *Sweep[C]) Once(now transport.Moment) {
	idle, firstByte := w.Limits()
	if idle > 0 && now >= w.active+transport.Moment(idle) {
		w.findIdle(now, idle)
	}
	if firstByte > 0 && now >= w.Oldest+transport.Moment(firstByte) {
		w.findOld(now, firstByte)
	}
}

// findIdle handles idle connections, and sets when the next one can be due.
func (w *Sweep[C]) findIdle(now transport.Moment, timeout time.Duration) {
	oldest := now
	w.Conns.Walk(func(c C) bool {
		active := w.Active(c)
		if time.Duration(now-active) >= timeout {
			active = w.Idle(c, now, timeout)
		}
		oldest = min(oldest, active)
		return true
	})
	w.active = oldest
}

// findOld handles the connections that are old enough to have sent a byte. Connections are in the order of their
// arrival, so it looks at each once: when the connection is as old as the timeout.
func (w *Sweep[C]) findOld(now transport.Moment, timeout time.Duration) {
	conns := make([]C, 0, registry.WalkStretch)
	for p := pace.New(); ; p.Rest() {
		conns = w.Conns.Page(w.Judged, conns[:0])
		for _, c := range conns {
			at, seq := w.Accepted(c)
			if w.Oldest = at; time.Duration(now-at) < timeout {
				return
			}
			w.Old(c, timeout)
			w.Judged = seq
		}
		if len(conns) < cap(conns) {
			w.Oldest = now // connections that come later are younger
			return
		}
	}
}
