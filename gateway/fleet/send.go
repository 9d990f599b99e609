package fleet

import (
	"cmp"
	"context"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var send = verb[*pb.SendRequest, *pb.SendResponse]{pb.GatewayService_Send_FullMethodName, Local.Send}

// Send asks the node that the ID names to send.
func (n *Node) Send(ctx context.Context, r *pb.SendRequest) (*pb.SendResponse, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	owner, absent := n.owner(r.GetId())
	if to.local {
		owner, absent = to.nodes[0], 0
	}
	if absent != 0 {
		return notSent(to, r, owner, absent)
	}
	wait := to.wait
	if r.GetWait() == pb.SendWait_SEND_WAIT_WRITTEN {
		wait += cmp.Or(r.GetWaitTimeout().AsDuration(), contract.DefaultSendWait)
	}
	parts := send.ask(ctx, n, wait, errand[*pb.SendRequest]{[]member.Member{owner}, r})
	result, err := settle(to.owners(), parts)
	response := &pb.SendResponse{Outcome: targetOutcome(&parts[0].Answer)}
	if parts[0].OK() {
		response = parts[0].response
	}
	response.Fleet = result
	audit(ctx, n, &event.ControlDetail{Verb: "Send", IDs: []string{r.GetId()}, DataBytes: uint64(len(r.GetData())),
		Matched:  1,
		Outcomes: map[string]uint64{outcomeName(response.GetOutcome()): 1}}, parts)
	if err != nil {
		return nil, err
	}
	return response, nil
}

// notSent is the response of a Send that needs to ask no node.
func notSent(to *reach, r *pb.SendRequest, owner member.Member, o pb.Outcome) (*pb.SendResponse, error) {
	response := &pb.SendResponse{Outcome: o}
	var nodes []*pb.NodeResult
	switch o {
	case pb.Outcome_OUTCOME_CLOSED:
		response.UnsentBytes = uint64(len(r.GetData()))
	case pb.Outcome_OUTCOME_NODE_UNREACHABLE:
		a := unheard(owner.Node)
		nodes = append(nodes, nodeResult(&a))
	}
	var err error
	if response.Fleet, err = to.owners().result(nodes); err != nil {
		return nil, err
	}
	return response, nil
}
