package server

import (
	"cmp"
	"context"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/history"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
)

// ListState selects connections by whether they are live. The zero value means ListLive.
type ListState int

// The list states, numbered as in the contract.
const (
	ListLive   ListState = iota + 1 // live connections
	ListClosed                      // the last 10,000 closed connections
	ListAll                         // both
)

// orLive returns ListLive for the zero value, and any other state unchanged.
func (s ListState) orLive() ListState { return cmp.Or(s, ListLive) }

// DefaultLimit is the most rows of a page when the request sets no Limit.
const DefaultLimit = 100

// pageLimit returns the most rows of a page.
func pageLimit(limit int) int {
	if limit <= 0 {
		return DefaultLimit
	}
	return limit
}

// scanRows is about the most connections that one List examines. When a filter selects few, the caller gets these few
// and the place to go on, instead of a long wait.
const scanRows = 20_000

// ListRequest selects connections, in the order of their seq, the number in an ID. A walk begins with After and UpTo 0,
// and sets them to Next and UpTo of each page until Next is 0.
type ListRequest struct {
	After uint64 // rows with a greater seq
	// UpTo selects rows with no greater seq; 0: the newest one now. A walk that keeps it ends, however many connect
	// meanwhile.
	UpTo  uint64
	Limit int       // most rows; 0 or less: DefaultLimit
	State ListState // the zero value: ListLive
	Match Matcher   // nil: all
	// ConnectedBy, when it is not 0, leaves out live connections whose Connected event has a greater sequence, or is
	// not published yet.
	ConnectedBy uint64
	// Buffer gets the rows as far as its capacity goes, and its contents are lost. A caller that is done with a page
	// before the next spares garbage with it. Default nil: the rows get new memory.
	Buffer []Connection
}

// ListPage is one page of a walk. Only Next says whether more pages follow: a page before the last may have fewer rows
// than Limit, or none.
type ListPage struct {
	Connections []Connection // the rows, in the order of their seq
	Next        uint64       // After of the next request; 0 at the end of the walk
	UpTo        uint64       // UpTo of the request, or the newest seq in its place
	Total       int          // live connections, selected or not
}

// List returns the next page of a walk. It examines at most about 20,000 connections. A connection that is live
// throughout a walk appears in it exactly once. List holds no lock that a new connection needs while it examines
// connections. The error is ctx's.
func (s *Server) List(ctx context.Context, r ListRequest) (ListPage, error) {
	page := ListPage{Connections: r.Buffer[:0], Total: s.registry.Live(), UpTo: r.UpTo}
	if page.UpTo == 0 {
		page.UpTo = s.registry.Last()
	}
	limit, state := pageLimit(r.Limit), r.State.orLive()
	stretch := registry.ChunkSlots
	if r.Match == nil { // no filter drops a row, so a longer stretch would be in vain
		stretch = min(stretch, limit)
		page.Connections = slices.Grow(page.Connections, min(limit, s.selectable(state), maxPrepared))
	}
	w := s.newScan(state, r.Match, r.After, page.UpTo, r.ConnectedBy, stretch)
	for w.More() && w.Seen < scanRows && len(page.Connections) < limit {
		if err := ctx.Err(); err != nil {
			return ListPage{}, err
		}
		w.Next(func(info *Connection) bool {
			page.Connections = append(page.Connections, *info)
			return len(page.Connections) < limit
		})
	}
	if w.More() {
		page.Next = w.After
	}
	return page, nil
}

// maxPrepared is the most rows that a List without a filter allocates at once: a page of the control plane.
const maxPrepared = 1000

// selectable returns about how many connections a state selects.
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

// Get returns a connection by its ID, live or among the remembered closed ones. It does not block. The error is a
// *MalformedIDError or a *NotFoundError.
func (s *Server) Get(id string) (Connection, error) {
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

// Cursor returns the position of the newest event. It does not block.
func (s *Server) Cursor() event.Cursor { return s.log.Head() }

// SubscribeRequest selects events.
type SubscribeRequest struct {
	After   string      // "" starts with the next event, "0" with the oldest kept one, a cursor right after it
	Types   event.Types // the zero value selects all
	Match   Matcher     // selects events of connections that match; nil selects all events
	MaxData int         // more than 0 also selects Data events, with at most so many bytes of each read
}

// Subscribe returns a subscription of the event log, which the caller must close. It does not block. The subscription
// goes on after Serve, and ends (io.EOF) when Log is closed. The error is an *event.CursorError.
func (s *Server) Subscribe(r SubscribeRequest) (*event.Subscription, error) {
	o := event.Options{After: r.After, Types: r.Types, MaxData: r.MaxData}
	if r.Match != nil {
		o.Match = func(e *event.Event) bool { return e.Conn.Identity != nil && r.Match.MatchAt(&e.Conn, e.Time) }
	}
	return s.log.Subscribe(o)
}
