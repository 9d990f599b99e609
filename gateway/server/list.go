package server

import (
	"cmp"
	"context"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/history"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
)

// ListState selects connections by whether they are live. The zero value is ListLive.
type ListState int

// The list states, numbered as in the contract.
const (
	ListLive   ListState = iota + 1 // live connections
	ListClosed                      // the last 10,000 closed ones
	ListAll                         // both
)

// orLive returns the state, or ListLive for the zero value.
func (s ListState) orLive() ListState { return cmp.Or(s, ListLive) }

// DefaultLimit is the most rows of a page whose request has no Limit.
const DefaultLimit = 100

// pageLimit is the most rows of a page.
func pageLimit(limit int) int {
	if limit <= 0 {
		return DefaultLimit
	}
	return limit
}

// scanRows is how many connections one List looks at, at most, when a filter selects few: the caller gets what there is
// and where to go on, instead of waiting.
const scanRows = 20_000

// ListRequest selects connections, in the order of their seq, the number in an ID.
type ListRequest struct {
	After uint64 // rows with a greater seq
	// rows with no greater seq; 0: the newest one now. A walk that keeps it ends, however many connect meanwhile
	UpTo  uint64
	Limit int // most rows; 0 or less: DefaultLimit
	State ListState
	Match Matcher // nil: all
	// ConnectedBy, when it is not 0, leaves out live connections whose Connected event has a greater sequence, or is
	// not published yet.
	ConnectedBy uint64
	// Buffer is overwritten with the rows, as far as its capacity goes; nil: they get memory of their own. It spares
	// the garbage where a page is done with before the next.
	Buffer []Connection
}

// ListPage is one page of a walk. It may have fewer rows than Limit, or none, before the end: Next alone says whether
// there are more.
type ListPage struct {
	Connections []Connection
	Next        uint64 // After of the next request; 0 at the end
	UpTo        uint64 // of the request, or the newest seq that stood in for it
	Total       int    // live connections, selected or not
}

// List returns the next rows of a walk: it looks at about 20,000 connections at most. A connection that is live
// throughout a walk appears in it exactly once. It holds no lock that a new connection needs while it looks at rows.
// The error is ctx's.
func (s *Server) List(ctx context.Context, r ListRequest) (ListPage, error) {
	page := ListPage{Connections: r.Buffer[:0], Total: s.registry.Live(), UpTo: r.UpTo}
	if page.UpTo == 0 {
		page.UpTo = s.registry.Last()
	}
	limit, state := pageLimit(r.Limit), r.State.orLive()
	stretch := registry.ChunkSlots
	if r.Match == nil { // every row is taken, so more would be in vain
		stretch = min(stretch, limit)
		page.Connections = slices.Grow(page.Connections, min(limit, s.selectable(state), maxPrepared))
	}
	w := s.newScan(state, r.Match, r.After, page.UpTo, stretch)
	w.connectedBy = r.ConnectedBy
	for w.more() && w.seen < scanRows && len(page.Connections) < limit {
		if err := ctx.Err(); err != nil {
			return ListPage{}, err
		}
		w.next(func(info *Connection) bool {
			page.Connections = append(page.Connections, *info)
			return len(page.Connections) < limit
		})
	}
	if w.more() {
		page.Next = w.after
	}
	return page, nil
}

// maxPrepared is for how many rows a List without a filter makes room at once: a page of the control plane.
const maxPrepared = 1000

// selectable is about how many connections a state selects.
func (s *Server) selectable(state ListState) int {
	n := 0
	if state != ListClosed {
		n += s.registry.Live()
	}
	if state != ListLive {
		n += history.Kept
	}
	return n
}

// Get returns a connection by its ID, live or among the remembered closed ones. The error is a *MalformedIDError or a
// *NotFoundError.
func (s *Server) Get(_ context.Context, id string) (Connection, error) {
	c, parsed, outcome := s.find(id)
	if c != nil {
		return c.Info(), nil
	}
	if outcome == OutcomeMalformedID {
		return Connection{}, &MalformedIDError{ID: id}
	}
	if outcome == OutcomeClosed {
		if info, ok := s.closed.Get(parsed.Seq); ok {
			return info, nil
		}
	}
	return Connection{}, &NotFoundError{ID: id, Node: s.origin.Node, Outcome: outcome}
}

// Cursor returns the position of the newest event.
func (s *Server) Cursor() event.Cursor { return s.log.Head() }

// SubscribeRequest selects events.
type SubscribeRequest struct {
	After   string      // a cursor; "" from now on; "0" from the oldest kept
	Types   event.Types // the zero value: all
	Match   Matcher     // only events of connections that match; nil: all events
	MaxData int         // also Data, with at most so many bytes of each read; 0: none
}

// Subscribe returns a subscription of the event log, which the caller must close. The error is an *event.CursorError.
func (s *Server) Subscribe(r SubscribeRequest) (*event.Subscription, error) {
	o := event.Options{After: r.After, Types: r.Types, MaxData: r.MaxData}
	if r.Match != nil {
		o.Match = func(e *event.Event) bool { return e.Conn.Identity != nil && r.Match.MatchAt(&e.Conn, e.Time) }
	}
	return s.log.Subscribe(o)
}
