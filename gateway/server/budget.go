package server

import "math"

// budgetReserve is headroom above the queue budget for handlers' answers and for the tail of partly written sends. With
// TLS, a send counts as begun even when the kernel took nothing, if nothing was queued before it.
const budgetReserve = 1 << 20

// ErrBudget says that a send did not fit into the queue budget. It is an ErrDropped (errors.Is).
var ErrBudget error = budgetError{}

// budgetError is what ErrBudget is.
type budgetError struct{}

// Error says what to do.
func (budgetError) Error() string {
	return "all send queues together are at the queue budget: no byte was sent; wait for peers to read, close slow " +
		"ones, or raise the queue budget"
}

// Is makes ErrBudget an ErrDropped.
func (budgetError) Is(target error) bool { return target == ErrDropped }

// scarce reports whether more than three quarters of the budget are used. Connections that have anything queued are not
// read from then, so that what is left is for those that keep up, and for the answers to what was read already.
func (s *Server) scarce(l *Limits) bool {
	return l.QueueBudget > 0 && s.queued.Bytes() > int64(l.QueueBudget)-int64(l.QueueBudget)/4
}

// room is what a send may fill.
type room struct {
	queue int // bytes of the connection's queue
	all   int // bytes of all queues, while no byte of the send has gone out, or had to
}

// verbRoom is the room for what verbs send.
func (l *Limits) verbRoom() room { return room{queue: l.SendQueueLimit, all: l.budget(0)} }

// handlerRoom is the room for what handlers send: what was accepted from a peer that is not read from any more must
// have room.
func (l *Limits) handlerRoom() room {
	return room{queue: l.SendQueueLimit + handlerReserve, all: l.budget(budgetReserve)}
}

// budget is the queue budget and a reserve; without one there is no end.
func (l *Limits) budget(reserve int) int {
	if l.QueueBudget == 0 || l.QueueBudget > math.MaxInt-reserve {
		return math.MaxInt
	}
	return l.QueueBudget + reserve
}
