package fleet

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxMessage is the most bytes of a NodeResult's message, because a reply may have a thousand of them.
const maxMessage = 300

// nodeResult is the result of a call on one node.
func nodeResult(a *exchange.Answer) *pb.NodeResult {
	return &pb.NodeResult{Node: a.Node, Status: a.Status, Elapsed: durationpb.New(a.Elapsed),
		Message: strings.ToValidUTF8(a.Message[:min(len(a.Message), maxMessage)], "")}
}

// nodeResults are the results of a call on its nodes, with their counts.
func nodeResults[R proto.Message](parts []part[R]) []*pb.NodeResult {
	results := make([]*pb.NodeResult, len(parts))
	for i := range parts {
		results[i] = nodeResult(&parts[i].Answer)
		if parts[i].OK() {
			results[i].Counts = counts(parts[i].response)
		}
	}
	return results
}

// counts returns the numbers of a response that are not 0, by field name.
func counts(response proto.Message) map[string]uint64 {
	m := make(map[string]uint64)
	response.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if k := f.Kind(); (k == protoreflect.Uint64Kind || k == protoreflect.Uint32Kind) && !f.IsList() {
			m[string(f.Name())] = v.Uint()
		}
		return true
	})
	return m
}

// fleetResult sums up the results of a call's nodes.
func fleetResult(nodes []*pb.NodeResult) *pb.FleetResult {
	r := &pb.FleetResult{Complete: true, Expected: uint32(len(nodes)), Nodes: nodes}
	for _, node := range nodes {
		switch node.GetStatus() {
		case pb.NodeStatus_NODE_STATUS_OK:
			r.Answered++
		case pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_UNREACHABLE, pb.NodeStatus_NODE_STATUS_LEFT:
			r.Complete = false
		default:
			r.Complete = false
			r.Answered++
		}
	}
	return r
}

// settle makes the result of a call from its parts. The error is that of the call as a whole (see failed), or a
// *contract.Problem if all nodes are required and some are missing.
func settle[R proto.Message](r *reach, parts []part[R]) (*pb.FleetResult, error) {
	if r.local && len(parts) == 1 && parts[0].Err != nil {
		return nil, parts[0].Err
	}
	if a := failed(parts); a != nil {
		return nil, explained(a)
	}
	return r.result(nodeResults(parts))
}

// result sums up the results of a call's nodes. The error is a *contract.Problem if all nodes are required and some are
// missing.
func (r *reach) result(nodes []*pb.NodeResult) (*pb.FleetResult, error) {
	result := fleetResult(nodes)
	switch {
	case r.requireAll && !result.GetComplete():
		return nil, nodesMissing(nodes)
	case r.requireAll && r.blind != "":
		return nil, r.unknown()
	case r.blind != "":
		result.Complete = false
	}
	return result, nil
}

// unknown is the error of a call that needs all nodes at a node that cannot know all of them.
func (r *reach) unknown() error {
	return &contract.Problem{Code: codes.Unavailable, Reason: contract.ReasonNodesMissing,
		Text: "which nodes there are is not known: " + r.blind + "; try again, or without require_all, or with local"}
}

// failed returns the answer that is the error of the whole call, or nil if there is none. That is the error that all
// nodes agree on, or an INVALID_ARGUMENT if no node has carried the request out or may have.
func failed[R proto.Message](parts []part[R]) *exchange.Answer {
	var wrong *exchange.Answer
	alike, done := len(parts) > 0, false
	for i := range parts {
		p := &parts[i]
		alike = alike && p.Status == pb.NodeStatus_NODE_STATUS_ERROR && status.Code(p.Err) == status.Code(parts[0].Err)
		done = done || p.OK() || p.Doubtful()
		if wrong == nil && status.Code(p.Err) == codes.InvalidArgument {
			wrong = &p.Answer
		}
	}
	switch {
	case alike:
		return &parts[0].Answer
	case done:
		return nil
	}
	return wrong
}

// explained returns the error of a node's answer, with the details that every error of the service has.
func explained(a *exchange.Answer) error {
	if s := status.Convert(a.Err); len(s.Details()) > 0 {
		return withNode(a.Node, s.Code(), s.Message(), s.Details())
	}
	return &contract.Problem{Code: status.Code(a.Err), Reason: contract.ReasonNodeRefused,
		Metadata: map[string]string{"node": a.Node},
		Text:     "node " + a.Node + ": " + a.Message}
}

// nodesMissing is the error of a call that requires all nodes. It names the nodes that did not carry it out.
func nodesMissing(nodes []*pb.NodeResult) error {
	var missing, told []string
	for _, node := range nodes {
		if node.GetStatus() != pb.NodeStatus_NODE_STATUS_OK {
			missing = append(missing, node.GetNode())
			told = append(told, node.GetNode()+" ("+statusName(node.GetStatus())+")")
		}
	}
	names, _ := fitting(missing, ",")
	return &contract.Problem{Code: codes.Unavailable, Reason: contract.ReasonNodesMissing,
		Metadata: map[string]string{"missing": names},
		Text: fmt.Sprintf("%d of %d nodes have not done it: %s; what others have done is done; try again, or without "+
			"require_all",
			len(missing), len(nodes), listed(told, ", "))}
}

// statusName is a status without its prefix.
func statusName(s pb.NodeStatus) string { return strings.TrimPrefix(s.String(), "NODE_STATUS_") }
