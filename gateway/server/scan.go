package server

import (
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/pace"
)

// scan examines connections in the order of their seq, in stretches, by one moment of the clock. It holds no lock
// meanwhile, and yields after each stretch.
type scan struct {
	server      *Server
	state       ListState
	match       Matcher   // nil selects all
	now         time.Time // the moment for match
	connectedBy uint64    // as in ListRequest
	after       uint64    // seq that it has come to
	upTo        uint64    // seq that it ends at
	seen        int       // examined connections
	pace        pace.Pace // yields to other goroutines

	conns  []*Conn      // space for the live connections of a stretch
	closed []Connection // space for the remembered connections of a stretch
	info   Connection   // the live connection under examination
}

// newScan returns a scan of the connections with after < seq <= upTo, in stretches of at most stretch connections.
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

// more reports whether connections may be left.
func (w *scan) more() bool { return w.after < w.upTo }

// next calls yield for each selected connection of the next stretch, until yield returns false. Yield must not keep the
// Connection.
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
		if len(closed) > 0 && closed[0].Seq == seq { // it is on its way from the registry to the remembered ones
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

// stretch returns the next connections, and the seq up to which none is missing. It reads the registry before the
// remembered connections: a connection that closes meanwhile is then found in at least one of them.
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

// look copies the state of a connection, which may have closed meanwhile; false when the scan does not select it.
func (w *scan) look(c *Conn) bool {
	var listed uint64
	w.info, listed = c.infoAt()
	if w.connectedBy > 0 && (listed == 0 || listed > w.connectedBy) {
		return false
	}
	return w.state == ListAll || w.info.Live()
}

// judge calls yield for a connection that matches. When yield returns false, judge does too, and the scan will go on
// behind this connection.
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

// matches reports whether m selects a live connection; a nil Matcher selects all.
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

// infos spares a walk with a Matcher an allocation for each connection. Sharing is safe, because a Matcher keeps none.
var infos = sync.Pool{New: func() any { return new(Connection) }}
