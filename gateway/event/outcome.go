package event

// Outcome is what became of one target of a verb. The zero value is none.
type Outcome uint8

// The outcomes, numbered as in the contract (sockgate.v1.Outcome).
const (
	// OutcomeWritten (Send, Broadcast): the kernel took all the bytes. TCP delivers them unless the connection breaks.
	OutcomeWritten Outcome = iota + 1
	// OutcomeQueued (Send, Broadcast): some or all of the bytes wait in the send queue, in order.
	OutcomeQueued
	// OutcomeDroppedQueueFull (Send, Broadcast): the bytes did not fit in the send queue. None was sent.
	OutcomeDroppedQueueFull
	// OutcomeClosed says that the connection is closing or closed, or closed before the outcome that the caller waited
	// for.
	OutcomeClosed
	// OutcomeNotFound says that no connection of that ID has existed on this node in this incarnation.
	OutcomeNotFound
	// OutcomeUnknown (a fleet): the node that holds the connection was asked, and did not answer in time or failed.
	OutcomeUnknown
	// OutcomeNodeRestarted says that the ID is of an earlier incarnation of the node: the connection ended with it.
	OutcomeNodeRestarted
	// OutcomeKicked (Kick): closed by this call, with its queue and the farewell flushed to the kernel.
	OutcomeKicked
	// OutcomeKickedUnflushed (Kick): closed by this call, before all queued bytes were taken; Unsent says how many were
	// left.
	OutcomeKickedUnflushed
	// OutcomeWouldKick (Kick with DryRun): the connection would have been kicked.
	OutcomeWouldKick
	// OutcomeLabeled (SetLabels): done.
	OutcomeLabeled
	// OutcomeTooManyLabels (SetLabels): the connection would have more than 16 labels. Nothing was changed on it.
	OutcomeTooManyLabels
	// OutcomeMalformedID says that the text is not of the form `node.incarnation.seq`.
	OutcomeMalformedID
	// OutcomeUnknownNode says that the ID names a node that is neither this one nor known to its fleet.
	OutcomeUnknownNode
	// OutcomeDroppedBudget (Send, Broadcast): the bytes did not fit in the budget of all send queues. None was sent.
	OutcomeDroppedBudget
	// OutcomeNodeUnreachable (a fleet): the node that holds the connection cannot be reached. Nothing was done.
	OutcomeNodeUnreachable
	// OutcomeNodeRefused (a fleet): the node that holds the connection refused. Nothing was done.
	OutcomeNodeRefused

	// OutcomeCount is one more than the highest outcome: the length of an array that outcomes index.
	OutcomeCount
)

var outcomeNames = [OutcomeCount]string{"UNSPECIFIED", "WRITTEN", "QUEUED", "DROPPED_QUEUE_FULL", "CLOSED", "NOT_FOUND",
	"UNKNOWN", "NODE_RESTARTED", "KICKED", "KICKED_UNFLUSHED", "WOULD_KICK", "LABELED", "TOO_MANY_LABELS", "MALFORMED_ID",
	"UNKNOWN_NODE", "DROPPED_BUDGET",
	"NODE_UNREACHABLE", "NODE_REFUSED"}

// String returns the outcome's name in the contract without its prefix, or the number of an unknown outcome.
func (o Outcome) String() string {
	return name(outcomeNames[:], int(o))
}

// Accepted reports whether the gateway took all the bytes. None of them is lost unless the connection breaks.
func (o Outcome) Accepted() bool { return o == OutcomeWritten || o == OutcomeQueued }

// TargetOutcome is the outcome for one connection.
type TargetOutcome struct {
	ID      string // as the caller gave it, or the connection's own
	Outcome Outcome
	Unsent  uint64 // bytes that the peer's kernel had not acknowledged when the connection closed
}
