package server

import (
	"context"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// ListState selects connections by whether they are live.
type ListState int

// The list states, numbered as in the contract.
const (
	ListLive ListState = iota + 1
	ListClosed
	ListAll
)

// scanRows is how many connections one List looks at, at most, when a filter selects few: the caller gets what there is and
// where to go on, instead of waiting.
const scanRows = 20_000

// ListRequest asks for connections in the order of their seq.
type ListRequest struct {
	After uint64 // rows with a greater seq
	UpTo  uint64 // rows with no greater seq; 0: the newest one now. A walk that keeps it ends, however many connect meanwhile
	Limit int    // most rows; at least 1
	State ListState
	Match Matcher // nil: all
	// ListedBy, when it is not 0, leaves out live connections whose Connected event has a greater sequence, or is not
	// published yet.
	ListedBy uint64
}

// ListPage is a part of a walk.
type ListPage struct {
	Connections []Info
	Next        uint64 // After of the next request; 0 at the end
	UpTo        uint64 // of the request, or the newest seq that stood in for it
	Total       int    // live connections, whatever is selected
}

// List returns the next rows of a walk. A connection that is live throughout a walk appears in it exactly once. It holds no
// lock that a new connection needs. The error is ctx's.
func (s *Server) List(ctx context.Context, r ListRequest) (ListPage, error) {
	page := ListPage{Total: int(s.registry.live.Load()), UpTo: r.UpTo}
	if page.UpTo == 0 {
		page.UpTo = s.registry.last()
	}
	r.Limit = max(r.Limit, 1)
	now := time.Now()
	size := chunkSlots
	if r.Match == nil && r.State != ListClosed {
		size = min(size, r.Limit) // every row is taken, so more would be in vain
	}
	batch := make([]*Conn, 0, size)
	after, last := r.After, page.UpTo
	for scanned := 0; after < last; {
		if err := ctx.Err(); err != nil {
			return ListPage{}, err
		}
		rows, upTo := s.rows(&r, now, batch, after, last)
		for i := range rows {
			page.Connections = append(page.Connections, rows[i])
			if len(page.Connections) == r.Limit && (rows[i].Seq < last) {
				page.Next = rows[i].Seq
				return page, nil
			}
		}
		scanned += cap(batch)
		after = upTo
		if scanned >= scanRows && after < last {
			page.Next = after
			break
		}
	}
	return page, nil
}

// rows returns the selected rows of the next stretch of seqs, and up to which seq that stretch goes.
func (s *Server) rows(r *ListRequest, now time.Time, batch []*Conn, after, last uint64) ([]Info, uint64) {
	conns := s.registry.page(after, batch[:0])
	upTo := last
	if len(conns) == cap(conns) {
		upTo = min(last, conns[len(conns)-1].identity.Seq)
	}
	var closed []Info
	if r.State != ListLive { // after the live ones, so that none is missed on its way from there to here
		closed, upTo = s.closed.above(after, upTo, cap(batch))
	}
	var rows []Info
	for _, c := range conns {
		seq := c.identity.Seq
		for len(closed) > 0 && closed[0].Seq < seq {
			rows = r.take(rows, &closed[0], now)
			closed = closed[1:]
		}
		if len(closed) > 0 && closed[0].Seq == seq || seq > upTo {
			continue
		}
		info, listed := c.infoAt() // it may be closed by now, on its way to the remembered ones
		if r.ListedBy > 0 && (listed == 0 || listed > r.ListedBy) {
			continue
		}
		if r.State == ListAll || info.Live() == (r.State != ListClosed) {
			rows = r.take(rows, &info, now)
		}
	}
	for i := range closed {
		rows = r.take(rows, &closed[i], now)
	}
	return rows, upTo
}

func (r *ListRequest) take(rows []Info, info *Info, now time.Time) []Info {
	if r.Match != nil && !r.Match.MatchAt(info, now) {
		return rows
	}
	return append(rows, *info)
}

// Get returns a connection by its ID, live or among the remembered closed ones. The error is a *MalformedIDError or a
// *NotFoundError.
func (s *Server) Get(_ context.Context, id string) (Info, error) {
	c, parsed, outcome := s.find(id)
	if c != nil {
		return c.Info(), nil
	}
	if outcome == OutcomeMalformedID {
		return Info{}, &MalformedIDError{ID: id}
	}
	if outcome == OutcomeClosed {
		if info, ok := s.closed.get(parsed.Seq); ok {
			return info, nil
		}
	}
	return Info{}, &NotFoundError{ID: id, Node: s.origin.Node, Outcome: outcome}
}

// Cursor returns the position of the newest event.
func (s *Server) Cursor() event.Cursor { return s.log.Head() }
