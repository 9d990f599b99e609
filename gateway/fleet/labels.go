package fleet

import (
	"context"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var setLabels = verb[*pb.SetLabelsRequest, *pb.SetLabelsResponse]{pb.GatewayService_SetLabels_FullMethodName,
	Local.SetLabels}

// SetLabels asks nodes to set labels. With a filter it asks the nodes of the scope. With IDs it asks the nodes that
// hold the connections.
func (n *Node) SetLabels(ctx context.Context, r *pb.SetLabelsRequest) (*pb.SetLabelsResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if err := n.checkFilter(ctx, to, r.GetFilter()); err != nil {
		return nil, err
	}
	if !to.local && len(r.GetConnectionIds()) > 0 {
		return n.labelIDs(ctx, to, r)
	}
	parts := setLabels.ask(ctx, n, to.wait, errand[*pb.SetLabelsRequest]{to.nodes, r})
	elsewhere := mergedLabels(others(n, parts))
	recordLabels(ctx, n, r, elsewhere.GetMatched(), map[string]uint64{"LABELED": elsewhere.GetLabeled(),
		"CLOSED": elsewhere.GetClosed(), "TOO_MANY_LABELS": elsewhere.GetRefused()}, parts)
	response := mergedLabels(parts)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// labelIDs labels connections by ID. Each node gets the IDs of its own connections.
func (n *Node) labelIDs(ctx context.Context, to *reach, r *pb.SetLabelsRequest) (*pb.SetLabelsResponse, error) {
	ids := r.GetConnectionIds()
	t := n.targetsOf(ids)
	var errands []errand[*pb.SetLabelsRequest]
	for _, m := range t.nodes {
		own := sharing(r)
		own.ConnectionIds = t.of(m.Node, ids)
		errands = append(errands, errand[*pb.SetLabelsRequest]{[]member.Member{m}, own})
	}
	parts := setLabels.ask(ctx, n, to.wait, errands...)
	parts = withLate(parts, t)
	for i := range parts {
		t.put(n, &parts[i].Answer, parts[i].response.GetOutcomes(), ids)
	}
	elsewhere := t.elsewhere(n)
	recordLabels(ctx, n, r, uint64(len(elsewhere)), outcomesOf(elsewhere), parts)
	response := &pb.SetLabelsResponse{Outcomes: t.known, Matched: uint64(len(ids)),
		Labeled: t.count(pb.Outcome_OUTCOME_LABELED), Closed: t.count(pb.Outcome_OUTCOME_CLOSED),
		NotFound: t.missing(), Refused: t.count(pb.Outcome_OUTCOME_TOO_MANY_LABELS)}
	var err error
	if response.Fleet, err = settle(to.owners(), parts); err != nil {
		return nil, err
	}
	return response, nil
}

// recordLabels records the labels that other nodes set.
func recordLabels(ctx context.Context, n *Node, r *pb.SetLabelsRequest, matched uint64, outcomes map[string]uint64,
	parts []part[*pb.SetLabelsResponse]) {
	audit(ctx, n, &event.ControlDetail{Verb: "SetLabels", Filter: r.GetFilter(), IDs: r.GetConnectionIds(),
		Set: r.GetSet(), Removed: r.GetRemove(), Matched: matched, Outcomes: outcomes}, parts)
}

// mergedLabels adds up the nodes' answers to a SetLabels by filter.
func mergedLabels(parts []part[*pb.SetLabelsResponse]) *pb.SetLabelsResponse {
	sum := &pb.SetLabelsResponse{}
	for i := range parts {
		if !parts[i].OK() {
			continue
		}
		p := parts[i].response
		sum.Matched = plus(sum.Matched, p.GetMatched())
		sum.Labeled = plus(sum.Labeled, p.GetLabeled())
		sum.Closed = plus(sum.Closed, p.GetClosed())
		sum.NotFound = plus(sum.NotFound, p.GetNotFound())
		sum.Refused = plus(sum.Refused, p.GetRefused())
		sum.Outcomes = firstTargets(sum.Outcomes, p.GetOutcomes())
	}
	return sum
}
