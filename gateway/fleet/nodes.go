package fleet

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxRound is how long ListNodes waits for answers at most.
const maxRound = time.Second

// ListNodes returns the nodes as this one sees them, with the round trip of each.
func (n *Node) ListNodes(ctx context.Context, r *pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	self := n.roster.Self()
	answers := []exchange.Answer{{Node: self.Node, Status: pb.NodeStatus_NODE_STATUS_OK}}
	if !to.local {
		answers = n.tell(ctx, to, exchange.MethodPing, nil, min(to.wait, maxRound))
	}
	response := &pb.ListNodesResponse{}
	for _, m := range n.listed(r.GetScope()) {
		row := n.row(&m)
		for i := range answers {
			if a := &answers[i]; a.Node == m.Node && a.OK() && !m.Self {
				row.RoundTrip = durationpb.New(a.Elapsed)
			}
		}
		response.Nodes = append(response.Nodes, row)
	}
	response.Fleet, err = to.result(nodeResultsOf(answers))
	if err != nil {
		return nil, err
	}
	return response, nil
}

// tell sends a request that has no response to the other nodes of a reach, and adds an OK for this node.
func (n *Node) tell(ctx context.Context, to *reach, method string, body []byte, wait time.Duration) []exchange.Answer {
	ctx, cancel := inTime(ctx)
	defer cancel()
	var others []member.Member
	var answers []exchange.Answer
	for _, m := range to.nodes {
		if m.Self {
			answers = append(answers, exchange.Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_OK})
		} else {
			others = append(others, m)
		}
	}
	if len(others) > 0 {
		answers = append(answers, n.askAll(ctx, others, method, body, within(ctx, wait))...)
	}
	slices.SortFunc(answers, func(a, b exchange.Answer) int { return strings.Compare(a.Node, b.Node) })
	return answers
}

func nodeResultsOf(answers []exchange.Answer) []*pb.NodeResult {
	results := make([]*pb.NodeResult, len(answers))
	for i := range answers {
		results[i] = nodeResult(&answers[i])
	}
	return results
}

// maxNodes is the most nodes in a table.
const maxNodes = 10_000

// listed returns the nodes of a table: the named ones, or else all known ones, including nodes that left.
func (n *Node) listed(s *pb.Scope) []member.Member {
	known := n.roster.Known()
	if named := s.GetNodes(); len(named) > 0 {
		known = slices.DeleteFunc(known, func(m member.Member) bool { return !slices.Contains(named, m.Node) })
	}
	return known[:min(len(known), maxNodes)]
}

func (n *Node) row(m *member.Member) *pb.Node {
	row := &pb.Node{Name: m.Node, Incarnation: m.Incarnation, State: m.State, Version: m.Version,
		Connections: m.Connections, EventHead: m.Head, ControlAddress: m.Address,
		Self: m.Self, Uptime: durationpb.New(time.Duration(m.Stamp)), Allowed: n.maxRole(m.Node)}
	if m.Self {
		row.Connections, row.EventHead = uint64(n.config.Self.Live()), n.config.Self.Cursor().Sequence
		row.Uptime, row.Allowed = durationpb.New(time.Since(n.began)), pb.Role_ROLE_ADMIN
	} else {
		row.LastSeen = durationpb.New(time.Since(m.HeardAt))
	}
	return row
}

// Addresses returns where programs reach the control planes of the nodes that may answer, this one included, in the
// order of the nodes' names. Nodes that keep theirs to themselves are not among them. changed is closed when the
// addresses are others, or when one of these nodes has restarted: at once, or 2 s after the last change. Addresses then
// returns a new channel. Callers share the messages, and must not modify them. The addresses are what other nodes say:
// a program that dials one must check with TLS that it has found a gateway.
func (n *Node) Addresses() (nodes []*pb.NodeAddress, changed <-chan struct{}) {
	return n.members.Addresses()
}

// ForgetNode makes this node, and the nodes that answer, expect no more answers from a node.
func (n *Node) ForgetNode(ctx context.Context, r *pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	gone, err := n.roster.Forget(r.GetNode())
	if err != nil {
		return nil, err
	}
	to.nodes = slices.DeleteFunc(slices.Clone(to.nodes), func(m member.Member) bool { return m.Node == gone.Node })
	answers := n.tell(ctx, to, exchange.MethodForget, []byte(gone.Node), to.wait)
	d := forgotten(n.local.Caller(ctx), &gone)
	d.Nodes = n.nodesOf(nodeResultsOf(answers))
	n.local.Record(d)
	response := &pb.ForgetNodeResponse{Node: n.row(&gone)}
	if response.Fleet, err = to.result(nodeResultsOf(answers)); err != nil {
		return nil, err
	}
	return response, nil
}

// forgotten is the record of a node that was forgotten for a caller.
func forgotten(caller event.Actor, m *member.Member) *event.ControlDetail {
	return &event.ControlDetail{Verb: "ForgetNode", Actor: caller, Reason: "node " + m.Node + "." + m.Incarnation}
}
