// Package scan goes through connections, live and closed ones, in the order of their seq.
package scan

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/pace"
)

// Source is where a Scan finds connections. C is a live one.
type Source[C any] struct {
	// Live appends the live connections with a greater seq to page, in its order, up to its capacity. Nil: the Scan has
	// none of them.
	Live func(after uint64, page []C) []C
	// Closed appends the closed connections with after < seq <= upTo to page, likewise, and returns the seq up to which
	// none is missing. Nil: the Scan has none of them.
	Closed func(after, upTo uint64, page []event.Connection) ([]event.Connection, uint64)
	// Seq returns a live connection's seq.
	Seq func(C) uint64
	// Look copies the state of a live connection, which may have closed meanwhile; false when the Scan does not select
	// it.
	Look func(C) (event.Connection, bool)
}

// Matcher selects connections. It keeps none.
type Matcher interface {
	MatchAt(c *event.Connection, now time.Time) bool
}

// Scan examines connections in the order of their seq, in stretches, by one moment of the clock. It holds no lock
// meanwhile, and yields to other goroutines after each stretch. One goroutine may use it.
type Scan[C any] struct {
	After uint64 // seq that it has come to
	Seen  int    // examined connections

	source Source[C]
	match  Matcher   // nil selects all
	now    time.Time // the moment for match
	upTo   uint64    // seq that it ends at
	pace   pace.Pace

	live   []C                // space for the live connections of a stretch
	closed []event.Connection // space for the closed connections of a stretch
	info   event.Connection   // the live connection under examination
}

// New returns a Scan of the connections with after < seq <= upTo, in stretches of at most stretch connections of each
// kind. A nil match selects all.
func New[C any](source Source[C], match Matcher, after, upTo uint64, stretch int) *Scan[C] {
	s := &Scan[C]{After: after, source: source, match: match, now: time.Now(), upTo: upTo, pace: pace.New()}
	if source.Live != nil {
		s.live = make([]C, 0, stretch)
	}
	if source.Closed != nil {
		s.closed = make([]event.Connection, 0, stretch)
	}
	return s
}

// More reports whether connections may be left.
func (s *Scan[C]) More() bool { return s.After < s.upTo }

// Next calls yield for each selected connection of the next stretch, until yield returns false. Yield must not keep the
// Connection.
func (s *Scan[C]) Next(yield func(*event.Connection) bool) {
	live, closed, upTo := s.stretch()
	for _, c := range live {
		seq := s.source.Seq(c)
		for ; len(closed) > 0 && closed[0].Seq < seq; closed = closed[1:] {
			if !s.judge(&closed[0], yield) {
				return
			}
		}
		if seq > upTo {
			break
		}
		if len(closed) > 0 && closed[0].Seq == seq { // it is on its way from the live to the closed ones
			continue
		}
		if s.look(c) && !s.judge(&s.info, yield) {
			return
		}
	}
	for i := range closed {
		if !s.judge(&closed[i], yield) {
			return
		}
	}
	s.After = upTo
	s.pace.Rest()
}

// stretch returns the next connections, and the seq up to which none is missing. It reads the live connections before
// the closed ones: a connection that closes meanwhile is then found in at least one of them.
func (s *Scan[C]) stretch() (live []C, closed []event.Connection, upTo uint64) {
	upTo = s.upTo
	if s.source.Live != nil {
		live = s.source.Live(s.After, s.live)
		if n := len(live); n == cap(live) {
			upTo = min(upTo, s.source.Seq(live[n-1]))
		}
	}
	if s.source.Closed != nil {
		closed, upTo = s.source.Closed(s.After, upTo, s.closed)
	}
	s.Seen += len(live) + len(closed)
	return live, closed, upTo
}

func (s *Scan[C]) look(c C) (selected bool) {
	s.info, selected = s.source.Look(c)
	return selected
}

// judge calls yield for a connection that matches. When yield returns false, judge does too, and the Scan will go on
// behind this connection.
func (s *Scan[C]) judge(info *event.Connection, yield func(*event.Connection) bool) bool {
	if s.match != nil && !s.match.MatchAt(info, s.now) || yield(info) {
		return true
	}
	s.After = info.Seq
	return false
}
