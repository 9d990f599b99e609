package sendqueue

import (
	"errors"
	"math"
)

const (
	// BudgetReserve is headroom above the queue budget, in bytes. It serves the answers of handlers and the tails of
	// partly written sends. With TLS, a send to an empty queue counts as partly written even when the kernel took nothing.
	BudgetReserve = 1 << 20
	// HandlerReserve is how far a handler's answer may exceed the queue's limit, in bytes: one read, and as much again for
	// bytes that the handler adds.
	HandlerReserve = 128 << 10
)

// ErrDropped says that a send did not fit into the send queue. No byte of it was sent.
var ErrDropped = errors.New("send queue is full: no byte was sent; wait for the peer to read, or raise the send " +
	"queue limit")

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

// Room is the space that a send may fill.
type Room struct {
	Queue int // most bytes of the connection's queue
	All   int // most bytes of all queues together; a send that has begun may use the reserve of handlers
}

// VerbRoom returns the room for sends of verbs, under a limit of each queue and the queue budget.
func VerbRoom(limit, budget int) Room { return Room{Queue: limit, All: within(budget, 0)} }

// HandlerRoom returns the room for sends of handlers. It is larger, because an answer to bytes that were read must fit
// even while reading is paused.
func HandlerRoom(limit, budget int) Room {
	return Room{Queue: limit + HandlerReserve, All: within(budget, BudgetReserve)}
}

// within returns the queue budget plus a reserve; the largest int without a queue budget.
func within(budget, reserve int) int {
	if budget == 0 || budget > math.MaxInt-reserve {
		return math.MaxInt
	}
	return budget + reserve
}

// Scarce reports whether more than three quarters of a queue budget are used; 0 is no budget.
func (b *Budget) Scarce(budget int) bool {
	return budget > 0 && b.Bytes() > int64(budget)-int64(budget)/4
}
