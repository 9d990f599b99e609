package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var (
	listInstances = verb[*pb.ListInstancesRequest, *pb.ListInstancesResponse]{
		pb.GatewayService_ListInstances_FullMethodName, Local.ListInstances}
	drainInstance = verb[*pb.DrainInstanceRequest, *pb.DrainInstanceResponse]{
		pb.GatewayService_DrainInstance_FullMethodName, Local.DrainInstance}
)

// ListInstances returns the remote handlers of nodes, and the instances that are attached to them.
func (n *Node) ListInstances(ctx context.Context, r *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	parts := listInstances.ask(ctx, n, to.wait, errand[*pb.ListInstancesRequest]{to.nodes, r})
	for i := range parts {
		n.judgeInstances(to, &parts[i], r.GetHandler())
	}
	fitInstances(parts)
	response := mergedInstances(parts)
	if response.Fleet, err = settle(to, parts); err != nil {
		return nil, err
	}
	return response, nil
}

// judgeInstances replaces another node's answer with rows that were not asked for, or that are not in order.
func (n *Node) judgeInstances(to *reach, p *part[*pb.ListInstancesResponse], handler string) {
	if !p.OK() || p.Node == n.roster.Self().Node {
		return
	}
	err := cmp.Or(misplacedRows(p.response.GetInstances(), handler, compareInstances),
		misplacedRows(p.response.GetHandlers(), handler, compareHandlers))
	if err != nil {
		p.Answer = n.distrusted(to.origin(p.Node), p.Answer, err)
	}
}

// ofHandler is a row about a remote handler.
type ofHandler interface{ GetHandler() string }

// misplacedRows returns an error if rows of one node are not of the handler that was asked for, or are not in order,
// each once. An empty handler stands for all.
func misplacedRows[R ofHandler](rows []R, handler string, compare func(a, b R) int) error {
	for i, row := range rows {
		switch {
		case handler != "" && row.GetHandler() != handler:
			return fmt.Errorf("it sent a row of the handler %.100q; it was asked for those of %.100q", row.GetHandler(), handler)
		case i > 0 && compare(rows[i-1], row) >= 0:
			return errors.New("it sent rows of instances that are out of order, or one of them twice")
		}
	}
	return nil
}

func compareInstances(a, b *pb.Instance) int {
	return cmp.Or(cmp.Compare(a.GetHandler(), b.GetHandler()), cmp.Compare(a.GetInstance(), b.GetInstance()),
		cmp.Compare(a.GetNode(), b.GetNode()))
}

func compareHandlers(a, b *pb.HandlerStatus) int {
	return cmp.Or(cmp.Compare(a.GetHandler(), b.GetHandler()), cmp.Compare(a.GetNode(), b.GetNode()))
}

// fitInstances replaces the answers of nodes whose rows have no room in a response. Small answers get room first, so
// that no node takes the room of the others.
func fitInstances(parts []part[*pb.ListInstancesResponse]) {
	var done []*part[*pb.ListInstancesResponse]
	for i := range parts {
		if parts[i].OK() {
			parts[i].response.Fleet = nil
			done = append(done, &parts[i])
		}
	}
	slices.SortStableFunc(done, func(a, b *part[*pb.ListInstancesResponse]) int {
		return cmp.Compare(proto.Size(a.response), proto.Size(b.response))
	})
	room := contract.MaxResponse
	for _, p := range done {
		if room -= proto.Size(p.response); room < 0 {
			p.roomless("the reply has no room for its instances; name a handler, or fewer nodes in scope.nodes")
		}
	}
}

// mergedInstances puts the rows of the nodes that answered into one order.
func mergedInstances(parts []part[*pb.ListInstancesResponse]) *pb.ListInstancesResponse {
	all := &pb.ListInstancesResponse{}
	for i := range parts {
		if parts[i].OK() {
			all.Instances = append(all.Instances, parts[i].response.GetInstances()...)
			all.Handlers = append(all.Handlers, parts[i].response.GetHandlers()...)
		}
	}
	slices.SortFunc(all.Instances, compareInstances)
	slices.SortFunc(all.Handlers, compareHandlers)
	return all
}

// DrainInstance makes the lanes of an instance drain. A node without the instance has succeeded, unless no node has it.
func (n *Node) DrainInstance(ctx context.Context, r *pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	parts := drainInstance.ask(ctx, n, to.wait, errand[*pb.DrainInstanceRequest]{to.nodes, r})
	found := slices.ContainsFunc(parts, func(p part[*pb.DrainInstanceResponse]) bool { return p.OK() })
	absent := excused(n, parts)
	response := mergedDrain(parts)
	response.Fleet, err = settle(to, parts)
	if !found && response.GetFleet().GetComplete() {
		return nil, absent
	}
	recordDrain(ctx, n, r, parts)
	if err != nil {
		return nil, err
	}
	return response, nil
}

// excused replaces the answers NOT_FOUND by OK, for a verb that ends what may be on some nodes only. It returns the
// error of such a node, of this one if it is among them; nil if there is none.
func excused[R proto.Message](n *Node, parts []part[R]) (absent error) {
	self := n.roster.Self().Node
	for i := range parts {
		p := &parts[i]
		if status.Code(p.Err) != codes.NotFound {
			continue
		}
		switch {
		case p.Node == self:
			absent = p.Err
		case absent == nil:
			absent = explained(&p.Answer)
		}
		p.Answer = okAnswer(p.Node, p.Elapsed)
	}
	return absent
}

// recordDrain records the drains on other nodes.
func recordDrain(ctx context.Context, n *Node, r *pb.DrainInstanceRequest, parts []part[*pb.DrainInstanceResponse]) {
	reason := "instance " + r.GetInstance() + " of " + r.GetHandler()
	if r.GetReason() != "" {
		reason += ": " + r.GetReason()
	}
	audit(ctx, n, &event.ControlDetail{Verb: "DrainInstance", Reason: reason,
		Matched: mergedDrain(others(n, parts)).GetConnections()}, parts)
}

// mergedDrain adds up the nodes' answers.
func mergedDrain(parts []part[*pb.DrainInstanceResponse]) *pb.DrainInstanceResponse {
	sum := &pb.DrainInstanceResponse{}
	for i := range parts {
		if parts[i].OK() {
			p := parts[i].response
			sum.Lanes = plusLanes(sum.GetLanes(), p.GetLanes())
			sum.Connections = plus(sum.GetConnections(), p.GetConnections())
			sum.OtherLanes = plusLanes(sum.GetOtherLanes(), p.GetOtherLanes())
		}
	}
	return sum
}
