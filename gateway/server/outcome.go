package server

import "github.com/sockgate/sockgate/gateway/event"

// Outcome is the result of a verb for one target. The contract (sockgate.v1.Outcome) defines the values.
type Outcome = event.Outcome

// The outcomes of verbs.
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

// TargetOutcome is the outcome for one connection.
type TargetOutcome = event.TargetOutcome
