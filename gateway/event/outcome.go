package event

// Outcome is the result of a verb for one target. The contract (sockgate.v1.Outcome) defines the values.
type Outcome uint8

// The outcomes, numbered as in the contract.
const (
	OutcomeWritten Outcome = iota + 1
	OutcomeQueued
	OutcomeDroppedQueueFull
	OutcomeClosed
	OutcomeNotFound
	OutcomeUnknown
	OutcomeNodeRestarted
	OutcomeKicked
	OutcomeKickedUnflushed
	OutcomeWouldKick
	OutcomeLabeled
	OutcomeTooManyLabels
	OutcomeMalformedID
	OutcomeUnknownNode
	OutcomeDroppedBudget
	OutcomeNodeUnreachable // only in a fleet
	OutcomeNodeRefused     // only in a fleet

	OutcomeCount // one more than the highest outcome: the length of an array with outcomes as indexes
)

var outcomeNames = [OutcomeCount]string{"UNSPECIFIED", "WRITTEN", "QUEUED", "DROPPED_QUEUE_FULL", "CLOSED", "NOT_FOUND",
	"UNKNOWN", "NODE_RESTARTED", "KICKED", "KICKED_UNFLUSHED", "WOULD_KICK", "LABELED", "TOO_MANY_LABELS", "MALFORMED_ID",
	"UNKNOWN_NODE", "DROPPED_BUDGET",
	"NODE_UNREACHABLE", "NODE_REFUSED"}

// String returns the outcome's name in the contract without its prefix.
func (o Outcome) String() string {
	return name(outcomeNames[:], int(o))
}

// Accepted reports whether the gateway took all the bytes. None of them is lost unless the connection breaks.
func (o Outcome) Accepted() bool { return o == OutcomeWritten || o == OutcomeQueued }

// TargetOutcome is the outcome for one connection.
type TargetOutcome struct {
	ID      string  // the ID that the caller gave, or the connection's
	Outcome Outcome // see Outcome
	Unsent  uint64  // bytes that the kernel never took because the connection closed first
}
