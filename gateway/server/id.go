package server

import (
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/history"
)

// ID is a connection's ID in its parts.
type ID = event.ID

// ParseID reads `node.incarnation.seq`. The error is a *MalformedIDError.
func ParseID(s string) (ID, error) { return event.ParseID(s) }

// MalformedIDError says that a text, ID, is not a connection ID.
type MalformedIDError = event.MalformedIDError

// NotFoundError says that this server has no such connection: ID is as the caller gave it, and Node is this node.
// Outcome says why: OutcomeNotFound, OutcomeClosed (closed and forgotten), OutcomeNodeRestarted or OutcomeUnknownNode.
type NotFoundError = history.NotFoundError

// find returns the live connection of an ID, or the reason why there is none: OutcomeClosed for a connection that
// existed.
func (s *Server) find(text string) (*Conn, ID, Outcome) {
	id, err := ParseID(text)
	switch {
	case err != nil:
		return nil, id, OutcomeMalformedID
	case id.Node != s.origin.Node:
		return nil, id, OutcomeUnknownNode
	case id.Incarnation != s.origin.Incarnation:
		return nil, id, OutcomeNodeRestarted
	case id.Seq > s.registry.Last():
		return nil, id, OutcomeNotFound
	}
	c := s.registry.Get(id.Seq)
	if c == nil {
		return nil, id, OutcomeClosed
	}
	return c, id, 0
}

// Conn returns a live connection by its ID, for programs that send to it or close it themselves; false when no live
// connection of this server has the ID. It does not block.
func (s *Server) Conn(id string) (*Conn, bool) {
	c, _, _ := s.find(id)
	return c, c != nil
}
