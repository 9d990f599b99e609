package event

// Outcome is what became of one target of a verb. The contract (sockgate.v1.Outcome) says what each means.
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
	OutcomeNodeUnreachable // of a fleet
	OutcomeNodeRefused     // of a fleet

	OutcomeCount // how many there are, with 0
)

var outcomeNames = [OutcomeCount]string{"UNSPECIFIED", "WRITTEN", "QUEUED", "DROPPED_QUEUE_FULL", "CLOSED", "NOT_FOUND",
	"UNKNOWN", "NODE_RESTARTED", "KICKED", "KICKED_UNFLUSHED", "WOULD_KICK", "LABELED", "TOO_MANY_LABELS", "MALFORMED_ID",
	"UNKNOWN_NODE", "DROPPED_BUDGET",
	"NODE_UNREACHABLE", "NODE_REFUSED"}

// String returns the outcome's name, as the contract has it without its prefix.
func (o Outcome) String() string {
	return name(outcomeNames[:], int(o))
}

// Accepted reports whether the bytes were taken over: none will be lost unless the connection breaks.
func (o Outcome) Accepted() bool { return o == OutcomeWritten || o == OutcomeQueued }

// TargetOutcome is the outcome for one connection.
type TargetOutcome struct {
	ID      string
	Outcome Outcome
	Unsent  uint64 // bytes that the kernel never took because the connection closed first
}
