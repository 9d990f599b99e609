package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// answerMargin is how long before its caller's deadline a call stops waiting, so that its answer still arrives in time.
const answerMargin = 50 * time.Millisecond

// reach is a resolved scope: the nodes that a call is for, and the time that other nodes have to answer.
type reach struct {
	nodes      []member.Member // in the order of their names; this node may be among them
	local      bool            // this node alone, because the caller asked for it
	requireAll bool
	wait       time.Duration
	blind      string // why a call for all nodes may miss some; empty: it misses none
}

// reach resolves a scope. The error is a *contract.Problem if the scope names an unknown node.
func (n *Node) reach(s *pb.Scope) (*reach, error) {
	r := &reach{local: s.GetLocal(), requireAll: s.GetRequireAll(), wait: member.DefaultWait}
	if d := s.GetNodeTimeout().AsDuration(); d > 0 {
		r.wait = d
	}
	switch {
	case s.GetLocal():
		r.nodes = []member.Member{n.roster.Self()}
	case len(s.GetNodes()) > 0:
		for _, name := range s.GetNodes() {
			m, known := n.roster.Find(name)
			if !known {
				return nil, n.unknownNode(codes.InvalidArgument, "scope.nodes", name)
			}
			r.nodes = append(r.nodes, m)
		}
		slices.SortFunc(r.nodes, func(a, b member.Member) int { return strings.Compare(a.Node, b.Node) })
	default:
		r.nodes, r.blind = n.roster.All(), n.blind()
	}
	return r, nil
}

// blind says why this node cannot know all nodes; empty if it can.
func (n *Node) blind() string {
	if n.roster.Self().State == pb.NodeState_NODE_STATE_DISPLACED {
		return "this node has left the fleet: a younger one has its name"
	}
	if bus := n.config.Bus.Status(); !bus.Connected {
		return "this node has no connection to the fleet: " + bus.Problem
	}
	return ""
}

// owners returns the reach of a call for connections by ID. Such a call does not depend on knowing all nodes.
func (r *reach) owners() *reach {
	of := *r
	of.blind = ""
	return &of
}

// unknownNode is the error for a name that no node has. It lists the known nodes.
func (n *Node) unknownNode(code codes.Code, field, name string) error {
	var known []string
	for _, m := range n.roster.Known() {
		known = append(known, m.Node)
	}
	return &contract.Problem{Code: code, Reason: contract.ReasonUnknownNode, Field: field,
		Metadata: map[string]string{"node": name},
		Text: fmt.Sprintf("%s: fleet %s has no node %q; expected one of %s", field, n.config.Fleet, name,
			listed(known, ", "))}
}

// maxListed is the most bytes of names in an error, because gRPC trailers have little room.
const maxListed = 500

// listed joins the first words, as many as there is room for, and adds the number of the rest.
func listed(words []string, separator string) string {
	joined, n := fitting(words, separator)
	if n < len(words) {
		return fmt.Sprintf("%s and %d more", joined, len(words)-n)
	}
	return joined
}

// fitting joins the first words, as many as there is room for, and returns their number.
func fitting(words []string, separator string) (joined string, n int) {
	for size := 0; n < len(words); n++ {
		if size += len(words[n]) + len(separator); size > maxListed {
			break
		}
	}
	return strings.Join(words[:n], separator), n
}

// origin returns the name and the life of a node of the call.
func (r *reach) origin(node string) event.Origin {
	i := slices.IndexFunc(r.nodes, func(m member.Member) bool { return m.Node == node })
	return r.nodes[i].Origin
}

// others reports whether the call is for another node than this one.
func (r *reach) others() bool {
	return slices.ContainsFunc(r.nodes, func(m member.Member) bool { return !m.Self })
}

// apart splits the nodes of the call into this node, if it is among them, and the others.
func (r *reach) apart() (own, rest []member.Member) {
	for _, m := range r.nodes {
		if m.Self {
			own = append(own, m)
		} else {
			rest = append(rest, m)
		}
	}
	return own, rest
}

// checkFilter checks the filter of a call for other nodes. An invalid filter is invalid on every node, so no node needs
// to be asked. The error is a *filter.Error.
func (n *Node) checkFilter(ctx context.Context, to *reach, expr string) error {
	if !to.others() {
		return nil // this node's own part reports it
	}
	return n.local.CheckFilter(ctx, expr)
}

// inTime returns a context that ends answerMargin before its parent's deadline.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(answerMargin, time.Until(deadline)/2)))
}

// within returns how long to wait: d, or less if the context's deadline is earlier.
func within(ctx context.Context, d time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(0, min(d, time.Until(deadline)))
	}
	return d
}
