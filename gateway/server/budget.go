package server

import "math"

// budgetReserve is headroom above the queue budget, in bytes. It serves the answers of handlers and the tails of partly
// written sends. With TLS, a send to an empty queue counts as partly written even when the kernel took nothing.
const budgetReserve = 1 << 20

// ErrBudget says that a send did not fit into the queue budget. errors.Is(ErrBudget, ErrDropped) holds.
var ErrBudget error = budgetError{}

// budgetError is the type of ErrBudget.
type budgetError struct{}

// Error returns a sentence that says what to do.
func (budgetError) Error() string {
	return "all send queues together are at the queue budget: no byte was sent; wait for peers to read, close slow " +
		"ones, or raise the queue budget"
}

// Is makes ErrBudget an ErrDropped.
func (budgetError) Is(target error) bool { return target == ErrDropped }

// scarce reports whether more than three quarters of the queue budget are used. Reading from a connection with a
// non-empty queue pauses then. The rest of the budget is left for peers that keep up, and for answers to bytes that
// were read already.
func (s *Server) scarce(l *Limits) bool {
	return l.QueueBudget > 0 && s.queued.Bytes() > int64(l.QueueBudget)-int64(l.QueueBudget)/4
}

// room is the space that a send may fill.
type room struct {
	queue int // most bytes of the connection's queue
	all   int // most bytes of all queues together; a send that has begun may use the reserve of handlers
}

// verbRoom returns the room for sends of verbs.
func (l *Limits) verbRoom() room { return room{queue: l.SendQueueLimit, all: l.budget(0)} }

// handlerRoom returns the room for sends of handlers. It is larger, because an answer to bytes that were read must fit
// even while reading is paused.
func (l *Limits) handlerRoom() room {
	return room{queue: l.SendQueueLimit + handlerReserve, all: l.budget(budgetReserve)}
}

// budget returns the queue budget plus a reserve; the largest int without a queue budget.
func (l *Limits) budget(reserve int) int {
	if l.QueueBudget == 0 || l.QueueBudget > math.MaxInt-reserve {
		return math.MaxInt
	}
	return l.QueueBudget + reserve
}
