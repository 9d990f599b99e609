package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// absentees are the nodes that did not do what they were asked for, each once, over all replies of one command.
type absentees struct {
	nodes []*sockgatev1.NodeResult
	known map[string]bool
	short string // of a reply that is not complete and names nobody
}

// absentFrom returns the absentees of one reply. A gateway that runs alone has none.
func absentFrom(f *sockgatev1.FleetResult) *absentees {
	var m absentees
	m.add(f)
	return &m
}

// add takes those of one more reply.
func (m *absentees) add(f *sockgatev1.FleetResult) {
	named := false
	for _, n := range f.GetNodes() {
		if n.GetStatus() == sockgatev1.NodeStatus_NODE_STATUS_OK {
			continue
		}
		named = true
		m.addNode(n)
	}
	if f != nil && !f.GetComplete() && !named {
		m.short = fmt.Sprintf("%d of %d nodes answered", f.GetAnswered(), f.GetExpected())
	}
}

// take adds those of another walk, and returns which of them are new.
func (m *absentees) take(more *absentees) *absentees {
	fresh := &absentees{}
	for _, n := range more.nodes {
		if !m.known[n.GetNode()] {
			m.addNode(n)
			fresh.addNode(n)
		}
	}
	return fresh
}

func (m *absentees) addNode(n *sockgatev1.NodeResult) {
	if m.known[n.GetNode()] {
		return
	}
	if m.known == nil {
		m.known = map[string]bool{}
	}
	m.known[n.GetNode()] = true
	m.nodes = append(m.nodes, n)
}

// any says whether a node is absent.
func (m *absentees) any() bool { return len(m.nodes) > 0 || m.short != "" }

// sayAbsent names each of them on stderr.
func (a *app) sayAbsent(m *absentees) {
	for _, n := range m.nodes {
		a.say("%s", absentText(n))
	}
	if m.short != "" {
		a.say("%s", m.short)
	}
}

// exitCode is code, or partial where all seemed well.
func (m *absentees) exitCode(code int) int {
	if code == exitDone && m.any() {
		return exitPartial
	}
	return code
}

// ending names the nodes that a reply lacks, and ends the command with code, or as partial.
func (a *app) ending(f *sockgatev1.FleetResult, code int) error {
	absent := absentFrom(f)
	a.sayAbsent(absent)
	return exitWith(absent.exitCode(code))
}

// absentText is "edge-3 did not answer: UNREACHABLE (nothing heard of it for 10 s)".
func absentText(n *sockgatev1.NodeResult) string {
	verb := "answered"
	switch n.GetStatus() {
	case sockgatev1.NodeStatus_NODE_STATUS_TIMED_OUT, sockgatev1.NodeStatus_NODE_STATUS_UNREACHABLE, sockgatev1.NodeStatus_NODE_STATUS_LEFT:
		verb = "did not answer"
	}
	why := clean(n.GetMessage())
	if why == "" {
		why = statusSentence(n)
	}
	return fmt.Sprintf("%s %s: %s (%s)", clean(n.GetNode()), verb, nodeStatusText(n.GetStatus()), why)
}

// statusSentence says what a status means where the gateway has said no more.
func statusSentence(n *sockgatev1.NodeResult) string {
	switch n.GetStatus() {
	case sockgatev1.NodeStatus_NODE_STATUS_TIMED_OUT:
		return fmt.Sprintf("not within %s; what it did is not known", durationText(n.GetElapsed()))
	case sockgatev1.NodeStatus_NODE_STATUS_UNREACHABLE:
		return "it was not asked"
	case sockgatev1.NodeStatus_NODE_STATUS_OVERLOADED:
		return "it has too much to do, and did nothing"
	case sockgatev1.NodeStatus_NODE_STATUS_UNSUPPORTED:
		return "its version does not know how, and did nothing"
	case sockgatev1.NodeStatus_NODE_STATUS_DENIED:
		return "it does not let this caller do it by way of the gateway that was asked"
	case sockgatev1.NodeStatus_NODE_STATUS_RESTARTED:
		return "it has restarted meanwhile"
	case sockgatev1.NodeStatus_NODE_STATUS_LEFT:
		return "it has left the fleet"
	default:
		return "it did not say why"
	}
}

func nodeStatusText(s sockgatev1.NodeStatus) string { return enumText(s.String(), "NODE_STATUS_") }

// printNodeResults shows, in a wide table, what became of a request on each node of a fleet: with these counts first, called as the
// reply's fields are.
func (a *app) printNodeResults(f *sockgatev1.FleetResult, counts ...string) error {
	if f == nil || !a.wide() {
		return nil
	}
	for _, n := range f.GetNodes() {
		for _, name := range slices.Sorted(maps.Keys(n.GetCounts())) {
			if !slices.Contains(counts, name) {
				counts = append(counts, name)
			}
		}
	}
	header := []string{"NODE", "STATUS", "TIME"}
	for _, name := range counts {
		header = append(header, strings.ToUpper(kebab(clean(name))))
	}
	t := a.newTable(header...)
	for _, n := range f.GetNodes() {
		cells := []string{n.GetNode(), nodeStatusText(n.GetStatus()), durationText(n.GetElapsed())}
		for _, name := range counts {
			cells = append(cells, nodeCount(n, name))
		}
		t.add(cells...)
	}
	if _, err := fmt.Fprintln(a.stdout); err != nil { // between this table and the one above
		return err
	}
	return t.flush()
}

// nodeCount is what a node counted; nothing where it did not.
func nodeCount(n *sockgatev1.NodeResult, name string) string {
	if n.GetStatus() != sockgatev1.NodeStatus_NODE_STATUS_OK {
		return ""
	}
	return fmt.Sprint(n.GetCounts()[name])
}

// onNodes is " on 3 nodes", the nodes that answered; empty for a gateway that runs alone.
func onNodes(f *sockgatev1.FleetResult) string {
	if f == nil {
		return ""
	}
	return " on " + plural(uint64(f.GetAnswered()), "node")
}
