package cli

import (
	"fmt"
	"strings"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxIDs is how many connections a request may name.
const maxIDs = 1000

// printOutcomes shows what became of single targets, in a table or as names of those that were done.
func (a *app) printOutcomes(outcomes []*sockgatev1.TargetOutcome) error {
	if !a.tabular() {
		for _, o := range outcomes {
			if outcomeExitCode(o.GetOutcome()) != exitDone {
				continue
			}
			if err := a.printName(o.GetId()); err != nil {
				return err
			}
		}
		return nil
	}
	if len(outcomes) == 0 {
		return nil
	}
	t := a.newTable("ID", "OUTCOME", "UNSENT")
	for _, o := range outcomes {
		t.add(o.GetId(), outcomeText(o.GetOutcome()), humanBytes(o.GetUnsentBytes()))
	}
	return t.flush()
}

// sayFailures names each target that was not done.
func (a *app) sayFailures(outcomes []*sockgatev1.TargetOutcome) {
	for _, o := range outcomes {
		done := outcomeExitCode(o.GetOutcome()) == exitDone
		switch {
		case o.GetOutcome() == sockgatev1.Outcome_OUTCOME_MALFORMED_ID:
			a.say("%s", malformedID(o.GetId()))
		case done && o.GetUnsentBytes() == 0:
		case o.GetUnsentBytes() > 0:
			a.say("%s: %s (%d bytes were not sent)", clean(o.GetId()), outcomeSentence(o.GetOutcome()), o.GetUnsentBytes())
		default:
			a.say("%s: %s", clean(o.GetId()), outcomeSentence(o.GetOutcome()))
		}
	}
}

// tallyOf adds up the outcomes of a verb that named its targets.
func tallyOf(outcomes []*sockgatev1.TargetOutcome) *tally {
	var t tally
	for _, o := range outcomes {
		t.add(outcomeExitCode(o.GetOutcome()))
	}
	return &t
}

// count is one number of a summary.
type count struct {
	n    uint64
	what string
}

// summary is "12 matched: 11 kicked, 1 already closed", without what is zero.
func summary(total uint64, counts ...count) string {
	var parts []string
	for _, c := range counts {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("%d matched", total)
	}
	return fmt.Sprintf("%d matched: %s", total, strings.Join(parts, ", "))
}

// nodeCounts are the targets that could not be told apart into done, closed and not found, because of their nodes.
func nodeCounts(outcomes []*sockgatev1.TargetOutcome) []count {
	counts := []count{{what: "on nodes that cannot be reached"}, {what: "refused by their nodes"}, {what: "not known"}}
	for _, o := range outcomes {
		switch o.GetOutcome() {
		case sockgatev1.Outcome_OUTCOME_NODE_UNREACHABLE:
			counts[0].n++
		case sockgatev1.Outcome_OUTCOME_NODE_REFUSED:
			counts[1].n++
		case sockgatev1.Outcome_OUTCOME_UNKNOWN:
			counts[2].n++
		}
	}
	return counts
}

// exampleID is an ID in help texts and messages.
const exampleID = "edge-1.19ab0d3f1c2.42"

// malformedID says that a text is not an ID, in the gateway's words.
func malformedID(id string) string {
	return fmt.Sprintf("%.100q is not a connection ID; expected node.incarnation.seq, for example %s", id, exampleID)
}

// checkIDs refuses empty IDs, as an unset variable of a script makes them. What else is malformed, the gateway says.
func checkIDs(ids []string) error {
	for _, id := range ids {
		if id == "" {
			return usagef("%s", malformedID(id))
		}
	}
	return nil
}

// targets checks that connections are named in one of the two ways.
func targets(ids []string, filter string, filterGiven bool) error {
	switch {
	case len(ids) > 0 && filterGiven:
		return usagef("both IDs and --filter were given; name the connections in one of the two ways")
	case len(ids) == 0 && !filterGiven:
		return usagef("no connection was named; give IDs, or --filter EXPR ('true' means all live ones)")
	case filterGiven && filter == "":
		return usagef("--filter is empty; to mean all live connections, write --filter true")
	case len(ids) > maxIDs:
		return usagef("%d IDs are too many for one call; give at most %d, or a --filter", len(ids), maxIDs)
	default:
		return checkIDs(ids)
	}
}
