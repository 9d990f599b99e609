package server

import "github.com/sockgate/sockgate/gateway/event"

// Outcome is what became of one target of a verb. The zero value is none.
type Outcome = event.Outcome

// The outcomes of verbs; event has what each means.
const (
	OutcomeWritten          = event.OutcomeWritten
	OutcomeQueued           = event.OutcomeQueued
	OutcomeDroppedQueueFull = event.OutcomeDroppedQueueFull
	OutcomeClosed           = event.OutcomeClosed
	OutcomeNotFound         = event.OutcomeNotFound
	OutcomeUnknown          = event.OutcomeUnknown
	OutcomeNodeRestarted    = event.OutcomeNodeRestarted
	OutcomeKicked           = event.OutcomeKicked
	OutcomeKickedUnflushed  = event.OutcomeKickedUnflushed
	OutcomeWouldKick        = event.OutcomeWouldKick
	OutcomeLabeled          = event.OutcomeLabeled
	OutcomeTooManyLabels    = event.OutcomeTooManyLabels
	OutcomeMalformedID      = event.OutcomeMalformedID
	OutcomeUnknownNode      = event.OutcomeUnknownNode
	OutcomeDroppedBudget    = event.OutcomeDroppedBudget
	OutcomeNodeUnreachable  = event.OutcomeNodeUnreachable
	OutcomeNodeRefused      = event.OutcomeNodeRefused
)

// TargetOutcome is the outcome for one connection: its ID, the Outcome, and how many bytes were Unsent.
type TargetOutcome = event.TargetOutcome
