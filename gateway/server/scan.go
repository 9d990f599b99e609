package server

import (
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/pace"
)

// scan goes through connections in the order of their seq, a stretch at a time, and judges all of them by the same
// clock. It holds no lock while it judges, and lets others run after each stretch.
type scan struct {
	server      *Server
	state       ListState
	match       Matcher   // nil: all
	now         time.Time // for match
	connectedBy uint64    // as in ListRequest
	after       uint64    // where it has come to
	upTo        uint64    // where it ends
	seen        int       // connections that it has looked at
	pace        pace.Pace // lets others run

	conns  []*Conn      // room for the live ones of a stretch
	closed []Connection // room for the remembered ones
	info   Connection   // the live one that is judged
}

// newScan returns a scan of the connections with after < seq <= upTo, in stretches of at most so many.
func (s *Server) newScan(state ListState, match Matcher, after, upTo uint64, stretch int) *scan {
	w := &scan{server: s, state: state, match: match, now: time.Now(), after: after, upTo: upTo, pace: pace.New()}
	if state != ListClosed {
		w.conns = make([]*Conn, 0, stretch)
	}
	if state != ListLive {
		w.closed = make([]Connection, 0, stretch)
	}
	return w
}

// more reports whether there may be connections that it has not come to.
func (w *scan) more() bool { return w.after < w.upTo }

// next calls yield for each selected connection of the next stretch, until it returns false. The Info is yield's only
// until it returns.
func (w *scan) next(yield func(*Connection) bool) {
	conns, closed, upTo := w.stretch()
	for _, c := range conns {
		seq := c.identity.Seq
		for ; len(closed) > 0 && closed[0].Seq < seq; closed = closed[1:] {
			if !w.judge(&closed[0], yield) {
				return
			}
		}
		if seq > upTo {
			break
		}
		if len(closed) > 0 && closed[0].Seq == seq { // it is on its way from there to here
			continue
		}
		if w.look(c) && !w.judge(&w.info, yield) {
			return
		}
	}
	for i := range closed {
		if !w.judge(&closed[i], yield) {
			return
		}
	}
	w.after = upTo
	w.pace.Rest()
}

// stretch returns the connections that come next, and up to which seq these are all. The live ones are looked for
// first, so that none is missed on its way to the remembered ones.
func (w *scan) stretch() (conns []*Conn, closed []Connection, upTo uint64) {
	upTo = w.upTo
	if w.state != ListClosed {
		conns = w.server.registry.Page(w.after, w.conns)
		if n := len(conns); n == cap(conns) {
			upTo = min(upTo, conns[n-1].identity.Seq)
		}
	}
	if w.state != ListLive {
		closed, upTo = w.server.closed.Page(w.after, upTo, w.closed)
	}
	w.seen += len(conns) + len(closed)
	return conns, closed, upTo
}

// look takes a connection's Info; false when it is not one of the scan's. It may be closed by now.
func (w *scan) look(c *Conn) bool {
	var listed uint64
	w.info, listed = c.infoAt()
	if w.connectedBy > 0 && (listed == 0 || listed > w.connectedBy) {
		return false
	}
	return w.state == ListAll || w.info.Live()
}

// judge calls yield for a connection that matches. It returns false when yield does, and the scan goes on behind it
// then.
func (w *scan) judge(info *Connection, yield func(*Connection) bool) bool {
	if w.match != nil && !w.match.MatchAt(info, w.now) || yield(info) {
		return true
	}
	w.after = info.Seq
	return false
}

func source(m Matcher) string {
	if m == nil {
		return ""
	}
	return m.String()
}

// matches reports whether a live connection is selected; a nil Matcher selects all.
func matches(m Matcher, c *Conn, now time.Time) bool {
	if m == nil {
		return true
	}
	info := infos.Get().(*Connection)
	*info = c.Info()
	ok := info.Live() && m.MatchAt(info, now)
	*info = Connection{}
	infos.Put(info)
	return ok
}

// infos spares a walk with a Matcher an allocation for each connection: a Matcher keeps nothing.
var infos = sync.Pool{New: func() any { return new(Connection) }}
