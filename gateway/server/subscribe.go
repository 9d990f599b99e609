package server

import "github.com/sockgate/sockgate/gateway/event"

// SubscribeRequest says what to follow.
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
