package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Absentees are the nodes that did not answer as asked, each once, over all replies of one command.
type Absentees struct {
	nodes []*pb.NodeResult
	Known map[string]bool
	Short string // of a reply that is not complete and names no node
}

// AbsentFrom returns the absentees of one reply. A gateway that runs alone has none.
func AbsentFrom(f *pb.FleetResult) *Absentees {
	var m Absentees
	m.Add(f)
	return &m
}

// Add takes the absentees of one more reply.
func (m *Absentees) Add(f *pb.FleetResult) {
	named := false
	for _, n := range f.GetNodes() {
		if n.GetStatus() == pb.NodeStatus_NODE_STATUS_OK {
			continue
		}
		named = true
		m.AddNode(n)
	}
	if f != nil && !f.GetComplete() && !named {
		m.Short = fmt.Sprintf("%d of %d nodes answered", f.GetAnswered(), f.GetExpected())
	}
}

// Take adds those of another walk and returns the new ones.
func (m *Absentees) Take(more *Absentees) *Absentees {
	fresh := &Absentees{}
	for _, n := range more.nodes {
		if !m.Known[n.GetNode()] {
			m.AddNode(n)
			fresh.AddNode(n)
		}
	}
	return fresh
}

// AddNode takes one node, unless it is known already.
func (m *Absentees) AddNode(n *pb.NodeResult) {
	if m.Known[n.GetNode()] {
		return
	}
	if m.Known == nil {
		m.Known = map[string]bool{}
	}
	m.Known[n.GetNode()] = true
	m.nodes = append(m.nodes, n)
}

// Any reports whether a node is absent.
func (m *Absentees) Any() bool { return len(m.nodes) > 0 || m.Short != "" }

// SayAbsent names each of them on stderr.
func (a *App) SayAbsent(m *Absentees) {
	for _, n := range m.nodes {
		a.Say("%s", AbsentText(n))
	}
	if m.Short != "" {
		a.Say("%s", m.Short)
	}
}

// ExitCode is code, or ExitPartial where code is ExitDone and nodes are absent.
func (m *Absentees) ExitCode(code int) int {
	if code == ExitDone && m.Any() {
		return ExitPartial
	}
	return code
}

// Ending names the nodes that a reply lacks, and ends the command with code, or as partial.
func (a *App) Ending(f *pb.FleetResult, code int) error {
	absent := AbsentFrom(f)
	a.SayAbsent(absent)
	return ExitWith(absent.ExitCode(code))
}

// AbsentText is "edge-3 did not answer: UNREACHABLE (nothing heard of it for 10 s)".
func AbsentText(n *pb.NodeResult) string {
	verb := "answered"
	switch n.GetStatus() {
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_UNREACHABLE,
		pb.NodeStatus_NODE_STATUS_LEFT:
		verb = "did not answer"
	}
	why := Clean(n.GetMessage())
	if why == "" {
		why = statusSentence(n)
	}
	return fmt.Sprintf("%s %s: %s (%s)", Clean(n.GetNode()), verb, NodeStatusText(n.GetStatus()), why)
}

// statusSentence explains a node's status where the gateway added no message.
func statusSentence(n *pb.NodeResult) string {
	switch n.GetStatus() {
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT:
		return fmt.Sprintf("not within %s; what it did is not known", units.DurationText(n.GetElapsed()))
	case pb.NodeStatus_NODE_STATUS_UNREACHABLE:
		return "it was not asked"
	case pb.NodeStatus_NODE_STATUS_OVERLOADED:
		return "it has too much to do, and did nothing"
	case pb.NodeStatus_NODE_STATUS_UNSUPPORTED:
		return "its version does not know how, and did nothing"
	case pb.NodeStatus_NODE_STATUS_DENIED:
		return "it does not let this caller do it by way of the gateway that was asked"
	case pb.NodeStatus_NODE_STATUS_RESTARTED:
		return "it has restarted meanwhile"
	case pb.NodeStatus_NODE_STATUS_LEFT:
		return "it has left the fleet"
	default:
		return "it did not say why"
	}
}

// NodeStatusText is a node's status as tables show it.
func NodeStatusText(s pb.NodeStatus) string { return EnumText(s.String(), "NODE_STATUS_") }

// PrintNodeResults shows, in a wide table, the result of a request on each node of a fleet. counts names the reply's
// fields to show first.
func (a *App) PrintNodeResults(f *pb.FleetResult, counts ...string) error {
	if f == nil || !a.Wide() {
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
		header = append(header, strings.ToUpper(Kebab(name)))
	}
	t := a.NewTable(header...)
	for _, n := range f.GetNodes() {
		cells := []string{n.GetNode(), NodeStatusText(n.GetStatus()), units.DurationText(n.GetElapsed())}
		for _, name := range counts {
			cells = append(cells, nodeCount(n, name))
		}
		t.Add(cells...)
	}
	if err := a.Stdout.Line(""); err != nil { // between this table and the one above
		return err
	}
	return t.Flush()
}

// nodeCount is the count of a node; empty where it has none.
func nodeCount(n *pb.NodeResult, name string) string {
	if n.GetStatus() != pb.NodeStatus_NODE_STATUS_OK {
		return ""
	}
	return fmt.Sprint(n.GetCounts()[name])
}

// OnNodes is " on 3 nodes", the nodes that answered; empty for a gateway that runs alone.
func OnNodes(f *pb.FleetResult) string {
	if f == nil {
		return ""
	}
	return " on " + Plural(uint64(f.GetAnswered()), "node")
}
