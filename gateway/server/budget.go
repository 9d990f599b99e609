package server

import "github.com/sockgate/sockgate/gateway/server/internal/sendqueue"

// ErrDropped says that a send did not fit into the send queue. No byte of it was sent.
var ErrDropped = sendqueue.ErrDropped

// ErrBudget says that a send did not fit into the queue budget. errors.Is(ErrBudget, ErrDropped) holds.
var ErrBudget = sendqueue.ErrBudget

// scarce reports whether more than three quarters of the queue budget are used. Reading from a connection with a
// non-empty queue pauses then. The rest of the budget is left for peers that keep up, and for answers to bytes that
// were read already.
func (s *Server) scarce(l *Limits) bool { return s.queued.Scarce(l.QueueBudget) }

// verbRoom returns the room for sends of verbs.
func (l *Limits) verbRoom() sendqueue.Room {
	return sendqueue.VerbRoom(l.SendQueueLimit, l.QueueBudget)
}

// handlerRoom returns the room for sends of the handler. With frames it has room for a frame more, because a read may
// complete one that is larger than the read.
func (c *Conn) handlerRoom() sendqueue.Room {
	l := c.owner.server.limits.Load()
	return sendqueue.HandlerRoom(l.SendQueueLimit+c.owner.more, l.QueueBudget)
}
