package app

import (
	"fmt"
	"strings"

	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// MaxIDs is how many connections a request may name.
const MaxIDs = 1000

// PrintOutcomes shows the outcomes of single targets in a table, or with -o name the targets that were done.
func (a *App) PrintOutcomes(outcomes []*pb.TargetOutcome) error {
	if !a.Tabular() {
		for _, o := range outcomes {
			if OutcomeExitCode(o.GetOutcome()) != ExitDone {
				continue
			}
			if err := a.PrintName(o.GetId()); err != nil {
				return err
			}
		}
		return nil
	}
	if len(outcomes) == 0 {
		return nil
	}
	t := a.NewTable("ID", "OUTCOME", "UNSENT")
	for _, o := range outcomes {
		t.Add(o.GetId(), OutcomeText(o.GetOutcome()), units.HumanBytes(o.GetUnsentBytes()))
	}
	return t.Flush()
}

// SayFailures names each target that was not done.
func (a *App) SayFailures(outcomes []*pb.TargetOutcome) {
	for _, o := range outcomes {
		done := OutcomeExitCode(o.GetOutcome()) == ExitDone
		switch {
		case o.GetOutcome() == pb.Outcome_OUTCOME_MALFORMED_ID:
			a.Say("%s", MalformedID(o.GetId()))
		case done && o.GetUnsentBytes() == 0:
		case o.GetUnsentBytes() > 0:
			a.Say("%s: %s (%d bytes were not sent)", o.GetId(), OutcomeSentence(o.GetOutcome()), o.GetUnsentBytes())
		default:
			a.Say("%s: %s", o.GetId(), OutcomeSentence(o.GetOutcome()))
		}
	}
}

// TallyOf adds up the outcomes of a verb that named its targets.
func TallyOf(outcomes []*pb.TargetOutcome) *Tally {
	var t Tally
	for _, o := range outcomes {
		t.Add(OutcomeExitCode(o.GetOutcome()))
	}
	return &t
}

// Count is one number of a summary.
type Count struct {
	N    uint64
	What string
}

// Summary is "12 matched: 11 kicked, 1 already closed"; counts that are zero are left out.
func Summary(total uint64, counts ...Count) string {
	var parts []string
	for _, c := range counts {
		if c.N > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.N, c.What))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("%d matched", total)
	}
	return fmt.Sprintf("%d matched: %s", total, strings.Join(parts, ", "))
}

// NodeCounts counts the targets whose outcome is unknown because of their nodes.
func NodeCounts(outcomes []*pb.TargetOutcome) []Count {
	counts := []Count{{What: "on nodes that cannot be reached"}, {What: "refused by their nodes"}, {What: "not known"}}
	for _, o := range outcomes {
		switch o.GetOutcome() {
		case pb.Outcome_OUTCOME_NODE_UNREACHABLE:
			counts[0].N++
		case pb.Outcome_OUTCOME_NODE_REFUSED:
			counts[1].N++
		case pb.Outcome_OUTCOME_UNKNOWN:
			counts[2].N++
		}
	}
	return counts
}

// exampleID is an ID in help texts and messages.
const exampleID = "edge-1.19ab0d3f1c2.42"

// MalformedID is the message for a text that is not an ID, in the gateway's words.
func MalformedID(id string) string {
	return fmt.Sprintf("%.100q is not a connection ID; expected node.incarnation.seq, for example %s", id, exampleID)
}

// CheckIDs refuses empty IDs, which an unset variable of a script makes. The gateway refuses all other malformed
// ones.
func CheckIDs(ids []string) error {
	for _, id := range ids {
		if id == "" {
			return Usagef("%s", MalformedID(id))
		}
	}
	return nil
}

// Targets checks that the connections are named in exactly one of the two ways.
func Targets(ids []string, filter string, filterGiven bool) error {
	switch {
	case len(ids) > 0 && filterGiven:
		return Usagef("both IDs and --filter were given; name the connections in one of the two ways")
	case len(ids) == 0 && !filterGiven:
		return Usagef("no connection was named; give IDs, or --filter EXPR ('true' means all live ones)")
	case filterGiven && filter == "":
		return Usagef("--filter is empty; to mean all live connections, write --filter true")
	case len(ids) > MaxIDs:
		return Usagef("%d IDs are too many for one call; give at most %d, or a --filter", len(ids), MaxIDs)
	default:
		return CheckIDs(ids)
	}
}

// OutcomeSentence explains an outcome that is no success.
func OutcomeSentence(o pb.Outcome) string {
	switch o {
	case pb.Outcome_OUTCOME_DROPPED_QUEUE_FULL:
		return "dropped whole, because its send queue is full"
	case pb.Outcome_OUTCOME_DROPPED_BUDGET:
		return "dropped whole, because all send queues together have no room for it (queue-budget)"
	case pb.Outcome_OUTCOME_CLOSED:
		return "the connection is closed or closing"
	case pb.Outcome_OUTCOME_NOT_FOUND:
		return "no such connection"
	case pb.Outcome_OUTCOME_NODE_RESTARTED:
		return "that connection ended when the node restarted"
	case pb.Outcome_OUTCOME_UNKNOWN_NODE:
		return "no node of that name here"
	case pb.Outcome_OUTCOME_KICKED_UNFLUSHED:
		return "kicked before all queued bytes were taken"
	case pb.Outcome_OUTCOME_TOO_MANY_LABELS:
		return "it would have more than 16 labels; nothing was changed"
	case pb.Outcome_OUTCOME_NODE_UNREACHABLE:
		return "the node that has it cannot be reached; nothing was done"
	case pb.Outcome_OUTCOME_NODE_REFUSED:
		return "the node that has it refused; nothing was done"
	case pb.Outcome_OUTCOME_UNKNOWN:
		return "what happened cannot be known"
	default:
		return OutcomeText(o)
	}
}
