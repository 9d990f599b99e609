package server

import "strconv"

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
	outcomeCount
)

var outcomeNames = [outcomeCount]string{"UNSPECIFIED", "WRITTEN", "QUEUED", "DROPPED_QUEUE_FULL", "CLOSED", "NOT_FOUND",
	"UNKNOWN", "NODE_RESTARTED", "KICKED", "KICKED_UNFLUSHED", "WOULD_KICK", "LABELED", "TOO_MANY_LABELS", "MALFORMED_ID",
	"UNKNOWN_NODE", "DROPPED_BUDGET",
	"NODE_UNREACHABLE", "NODE_REFUSED"}

// String returns the outcome's name, as the contract has it without its prefix.
func (o Outcome) String() string {
	if o < outcomeCount {
		return outcomeNames[o]
	}
	return strconv.Itoa(int(o))
}

// accepted reports whether the bytes were taken over: none will be lost unless the connection breaks.
func (o Outcome) accepted() bool { return o == OutcomeWritten || o == OutcomeQueued }

// TargetOutcome is the outcome for one connection.
type TargetOutcome struct {
	ID      string
	Outcome Outcome
	Unsent  uint64 // bytes that the kernel never took because the connection closed first
}

// maxFailures is how many targets a reply about many names.
const maxFailures = 100

// tally counts outcomes and keeps the first targets that did not go well.
type tally struct {
	counts   [outcomeCount]uint64
	failures []TargetOutcome
}

func (t *tally) add(o Outcome) { t.counts[o]++ }

func (t *tally) addFailure(f TargetOutcome) {
	t.counts[f.Outcome]++
	if len(t.failures) < maxFailures {
		t.failures = append(t.failures, f)
	}
}

func (t *tally) total() uint64 {
	var n uint64
	for _, c := range t.counts {
		n += c
	}
	return n
}

// missing counts the targets that could not be found.
func (t *tally) missing() uint64 {
	return t.counts[OutcomeNotFound] + t.counts[OutcomeNodeRestarted] + t.counts[OutcomeMalformedID] +
		t.counts[OutcomeUnknownNode]
}

// byName returns the counts that are not zero, for records.
func (t *tally) byName() map[string]uint64 {
	m := make(map[string]uint64)
	for o, n := range t.counts {
		if n > 0 {
			m[Outcome(o).String()] = n
		}
	}
	return m
}
