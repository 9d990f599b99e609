package fleet

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// owner returns the node that holds the connection of an ID, with OUTCOME_UNSPECIFIED. If asking a node is of no use,
// it returns the target's outcome instead. This node answers for a malformed ID.
func (n *Node) owner(id string) (member.Member, pb.Outcome) {
	self := n.roster.Self()
	parsed, err := server.ParseID(id)
	if err != nil || parsed.Node == self.Node {
		return self, 0
	}
	m, known := n.roster.Find(parsed.Node)
	switch life := event.CompareIncarnations(parsed.Incarnation, m.Incarnation); {
	case !known:
		return m, pb.Outcome_OUTCOME_UNKNOWN_NODE
	case life < 0:
		return m, pb.Outcome_OUTCOME_NODE_RESTARTED
	case life > 0: // it has restarted, and this node has not heard of that life yet
		return m, pb.Outcome_OUTCOME_NODE_UNREACHABLE
	case m.State == pb.NodeState_NODE_STATE_LEFT: // all its connections have ended
		return m, pb.Outcome_OUTCOME_CLOSED
	}
	return m, 0 // even if it is unreachable: its answer says so
}

// targetOutcome is the outcome of a target on a node that did not carry out the request.
func targetOutcome(a *exchange.Answer) pb.Outcome {
	switch a.Status {
	case pb.NodeStatus_NODE_STATUS_UNREACHABLE:
		return pb.Outcome_OUTCOME_NODE_UNREACHABLE
	case pb.NodeStatus_NODE_STATUS_RESTARTED:
		return pb.Outcome_OUTCOME_NODE_RESTARTED
	}
	if a.OK() || a.Doubtful() { // it was asked, and its work is unknown
		return pb.Outcome_OUTCOME_UNKNOWN
	}
	return pb.Outcome_OUTCOME_NODE_REFUSED
}

// unheard is the answer of a node that has restarted since it was last heard of, and whose new life holds a target.
func unheard(node string) exchange.Answer {
	return exchange.Answer{Node: node, Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE,
		Message: "it has restarted, and nothing was heard of its new life yet; it was not asked"}
}

// outcomeName is an outcome without its prefix.
func outcomeName(o pb.Outcome) string { return strings.TrimPrefix(o.String(), "OUTCOME_") }

// targets are the targets of a call by ID, grouped by the nodes that hold them.
type targets struct {
	nodes  []member.Member
	places map[string][]int // positions of each node's targets in the request, by the node's name
	known  []*pb.TargetOutcome
	late   []string // nodes with targets of a life that this node has not heard of
}

// targetsOf groups the IDs of a request by their owners. Targets that no node needs to be asked about get their
// outcomes.
func (n *Node) targetsOf(ids []string) *targets {
	t := &targets{places: make(map[string][]int), known: make([]*pb.TargetOutcome, len(ids))}
	for i, id := range ids {
		m, outcome := n.owner(id)
		if outcome != 0 {
			t.known[i] = &pb.TargetOutcome{Id: id, Outcome: outcome}
			if outcome == pb.Outcome_OUTCOME_NODE_UNREACHABLE {
				t.late = append(t.late, m.Node)
			}
			continue
		}
		if t.places[m.Node] == nil {
			t.nodes = append(t.nodes, m)
		}
		t.places[m.Node] = append(t.places[m.Node], i)
	}
	return t
}

// of returns a node's targets.
func (t *targets) of(node string, ids []string) []string {
	own := make([]string, len(t.places[node]))
	for i, place := range t.places[node] {
		own[i] = ids[place]
	}
	return own
}

// put notes a node's outcomes of its targets, in their order. Nil means that the node did not carry them out. An answer
// with outcomes of other targets is replaced.
func (t *targets) put(n *Node, a *exchange.Answer, outcomes []*pb.TargetOutcome, ids []string) {
	if err := t.misplaced(a, outcomes, ids); err != nil {
		i := slices.IndexFunc(t.nodes, func(m member.Member) bool { return m.Node == a.Node })
		*a, outcomes = n.distrusted(t.nodes[i].Origin, *a, err), nil
	}
	for i, place := range t.places[a.Node] {
		if i < len(outcomes) {
			t.known[place] = outcomes[i]
		} else {
			t.known[place] = &pb.TargetOutcome{Id: ids[place], Outcome: targetOutcome(a)}
		}
	}
}

// misplaced returns an error if outcomes are not of a node's targets, each at its place.
func (t *targets) misplaced(a *exchange.Answer, outcomes []*pb.TargetOutcome, ids []string) error {
	places := t.places[a.Node]
	if !a.OK() {
		return nil
	}
	if len(outcomes) > len(places) {
		return fmt.Errorf("it sent %d outcomes; it was asked for %d", len(outcomes), len(places))
	}
	for i, o := range outcomes {
		if o.GetId() != ids[places[i]] {
			return misplaced(o.GetId(), ids[places[i]])
		}
	}
	return nil
}

// withLate adds UNREACHABLE for each node with an ID of an incarnation that this node has not heard of yet.
func withLate[R proto.Message](parts []part[R], t *targets) []part[R] {
	for _, node := range t.late {
		if !slices.ContainsFunc(parts, func(p part[R]) bool { return p.Node == node }) {
			parts = append(parts, part[R]{Answer: unheard(node)})
		}
	}
	return ordered(parts, nil)
}

// count returns how many targets have one of these outcomes.
func (t *targets) count(of ...pb.Outcome) uint64 {
	var n uint64
	for _, target := range t.known {
		for _, o := range of {
			if target.GetOutcome() == o {
				n++
			}
		}
	}
	return n
}

// missing returns how many targets do not exist.
func (t *targets) missing() uint64 {
	return t.count(pb.Outcome_OUTCOME_NOT_FOUND, pb.Outcome_OUTCOME_NODE_RESTARTED, pb.Outcome_OUTCOME_MALFORMED_ID,
		pb.Outcome_OUTCOME_UNKNOWN_NODE)
}

// elsewhere returns the outcomes of the targets on other nodes.
func (t *targets) elsewhere(n *Node) []*pb.TargetOutcome {
	self := n.roster.Self().Node
	var other []*pb.TargetOutcome
	for _, m := range t.nodes {
		if m.Node == self {
			continue
		}
		for _, place := range t.places[m.Node] {
			other = append(other, t.known[place])
		}
	}
	return other
}
