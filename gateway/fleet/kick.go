package fleet

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var kick = verb[*pb.KickRequest, *pb.KickResponse]{pb.GatewayService_Kick_FullMethodName, Local.Kick}

// Kick asks nodes to kick. With a filter it asks the nodes of the scope. With IDs it asks the nodes that hold the
// connections.
func (n *Node) Kick(ctx context.Context, r *pb.KickRequest) (*pb.KickResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	if err := n.checkFilter(ctx, to, r.GetFilter()); err != nil {
		return nil, err
	}
	wait := to.wait + cmp.Or(r.GetFlushTimeout().AsDuration(), contract.DefaultFlush)
	if !to.local && len(r.GetConnectionIds()) > 0 {
		return n.kickIDs(ctx, to, r, wait)
	}
	parts := kick.ask(ctx, n, wait, errand[*pb.KickRequest]{to.nodes, r})
	elsewhere := mergedKick(others(n, parts))
	recordKick(ctx, n, r, elsewhere.GetMatched(), map[string]uint64{"KICKED": elsewhere.GetKicked(),
		"CLOSED": elsewhere.GetClosed()}, parts)
	response := mergedKick(parts)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// kickIDs kicks connections by ID. Each node gets the IDs of its own connections.
func (n *Node) kickIDs(ctx context.Context, to *reach, r *pb.KickRequest, wait time.Duration) (*pb.KickResponse,
	error) {
	ids := r.GetConnectionIds()
	t := n.targetsOf(ids)
	var errands []errand[*pb.KickRequest]
	for _, m := range t.nodes {
		own := sharing(r)
		own.ConnectionIds = t.of(m.Node, ids)
		errands = append(errands, errand[*pb.KickRequest]{[]member.Member{m}, own})
	}
	parts := kick.ask(ctx, n, wait, errands...)
	parts = withLate(parts, t)
	for i := range parts {
		t.put(n, &parts[i].Answer, parts[i].response.GetOutcomes(), ids)
	}
	elsewhere := t.elsewhere(n)
	recordKick(ctx, n, r, uint64(len(elsewhere)), outcomesOf(elsewhere), parts)
	response := &pb.KickResponse{Outcomes: t.known, Matched: uint64(len(ids)), Closed: t.count(pb.Outcome_OUTCOME_CLOSED),
		NotFound: t.missing(),
		Kicked:   t.count(pb.Outcome_OUTCOME_KICKED, pb.Outcome_OUTCOME_KICKED_UNFLUSHED, pb.Outcome_OUTCOME_WOULD_KICK),
		Banned:   mergedKick(parts).GetBanned(), NotKeptReason: mergedKick(parts).NotKeptReason}
	var err error
	if response.Fleet, err = settle(to.owners(), parts); err != nil {
		return nil, err
	}
	return response, nil
}

// recordKick records the kicks of other nodes, unless the request only validates.
func recordKick(ctx context.Context, n *Node, r *pb.KickRequest, matched uint64, outcomes map[string]uint64,
	parts []part[*pb.KickResponse]) {
	if r.GetValidateOnly() {
		return
	}
	d := &event.ControlDetail{Verb: "Kick", Filter: r.GetFilter(), IDs: r.GetConnectionIds(), Reason: r.GetReason(),
		Matched: matched, Outcomes: outcomes}
	if ban := r.GetBanDuration().AsDuration(); ban > 0 {
		d.Ban = ban.String()
	}
	audit(ctx, n, d, parts)
}

// mergedKick adds up the nodes' answers to a Kick by filter.
func mergedKick(parts []part[*pb.KickResponse]) *pb.KickResponse {
	sum := &pb.KickResponse{}
	for i := range parts {
		if !parts[i].OK() {
			continue
		}
		p := parts[i].response
		sum.Matched = plus(sum.Matched, p.GetMatched())
		sum.Kicked = plus(sum.Kicked, p.GetKicked())
		sum.Closed = plus(sum.Closed, p.GetClosed())
		sum.NotFound = plus(sum.NotFound, p.GetNotFound())
		sum.Outcomes = firstTargets(sum.Outcomes, p.GetOutcomes())
		sum.Banned = append(sum.Banned, p.GetBanned()...)
	}
	sum.Banned = firstBanned(sum.Banned)
	if why := firstReason(parts, (*pb.KickResponse).GetNotKeptReason); why != "" {
		sum.NotKeptReason = &why
	}
	return sum
}

// firstBanned returns the first banned targets, each once, in order: networks by address, then identities by their
// bytes. It changes the slice.
func firstBanned(targets []string) []string {
	slices.SortFunc(targets, compareBanned)
	targets = slices.Compact(targets)
	return targets[:min(len(targets), maxFailures)]
}

func compareBanned(a, b string) int {
	x, noX := netip.ParsePrefix(a)
	y, noY := netip.ParsePrefix(b)
	switch {
	case noX != nil && noY != nil:
		return cmp.Compare(a, b)
	case noX != nil:
		return 1
	case noY != nil:
		return -1
	}
	return cmp.Or(x.Addr().Compare(y.Addr()), cmp.Compare(x.Bits(), y.Bits()))
}
