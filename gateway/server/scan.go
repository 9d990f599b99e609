package server

import (
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/scan"
)

// newScan returns a scan of the connections with after < seq <= upTo, in stretches of at most stretch connections.
// connectedBy is as in ListRequest.
func (s *Server) newScan(state ListState, match Matcher, after, upTo, connectedBy uint64,
	stretch int) *scan.Scan[*Conn] {
	source := scan.Source[*Conn]{Seq: func(c *Conn) uint64 { return c.identity.Seq }}
	source.Look = func(c *Conn) (Connection, bool) {
		info, listed := c.infoAt()
		old := connectedBy == 0 || listed > 0 && listed <= connectedBy
		return info, old && (state == ListAll || info.Live())
	}
	if state != ListClosed {
		source.Live = s.registry.Page
	}
	if state != ListLive {
		source.Closed = s.closed.Page
	}
	return scan.New(source, match, after, upTo, stretch)
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
