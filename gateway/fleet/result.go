package fleet

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxMessage is how many bytes of words a NodeResult has: a reply may have a thousand of them.
const maxMessage = 300

// nodeResult says what became of a call on a node.
func nodeResult(a *answer) *pb.NodeResult {
	return &pb.NodeResult{Node: a.node, Status: a.status, Elapsed: durationpb.New(a.elapsed),
		Message: strings.ToValidUTF8(a.message[:min(len(a.message), maxMessage)], "")}
}

// nodeResults says what became of a call on each node, with what it counted.
func nodeResults[R proto.Message](parts []part[R]) []*pb.NodeResult {
	results := make([]*pb.NodeResult, len(parts))
	for i := range parts {
		results[i] = nodeResult(&parts[i].answer)
		if parts[i].ok() {
			results[i].Counts = counts(parts[i].response)
		}
	}
	return results
}

func (a *answer) ok() bool { return a.status == pb.NodeStatus_NODE_STATUS_OK }

// counts are the numbers of a response that are not 0, by the names of its fields.
func counts(response proto.Message) map[string]uint64 {
	m := make(map[string]uint64)
	response.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Kind() == protoreflect.Uint64Kind && !f.IsList() && !f.IsMap() {
			m[string(f.Name())] = v.Uint()
		}
		return true
	})
	return m
}

// fleetResult sums up what became of a call on its nodes.
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

// settle makes the result of a call of its parts. The error is that of the call as a whole: this node's, when it alone is asked; that of a
// request that is wrong, when nobody has carried it out; or a *problem when all nodes are required and some are missing.
func settle[R proto.Message](r *reach, parts []part[R]) (*pb.FleetResult, error) {
	if r.local && len(parts) == 1 && parts[0].err != nil {
		return nil, parts[0].err
	}
	if err := wrong(parts); err != nil {
		return nil, err
	}
	return r.result(nodeResults(parts))
}

// result sums up what became of a call on its nodes. The error is a *problem when all are required and some are missing.
func (r *reach) result(nodes []*pb.NodeResult) (*pb.FleetResult, error) {
	result := fleetResult(nodes)
	if r.requireAll && !result.GetComplete() {
		return nil, nodesMissing(nodes)
	}
	return result, nil
}

// wrong returns the error of a request that a node found wrong, INVALID_ARGUMENT, when no node has carried it out or may have.
func wrong[R proto.Message](parts []part[R]) error {
	var err error
	for i := range parts {
		switch {
		case parts[i].ok() || parts[i].status == pb.NodeStatus_NODE_STATUS_TIMED_OUT:
			return nil
		case err == nil && status.Code(parts[i].err) == codes.InvalidArgument:
			err = parts[i].err
		}
	}
	return err
}

// nodesMissing says that all nodes are required, and which have not done what they were asked for.
func nodesMissing(nodes []*pb.NodeResult) error {
	var missing, told []string
	for _, node := range nodes {
		if node.GetStatus() != pb.NodeStatus_NODE_STATUS_OK {
			missing = append(missing, node.GetNode())
			told = append(told, node.GetNode()+" ("+statusName(node.GetStatus())+")")
		}
	}
	names, _ := fitting(missing, ",")
	return &problem{code: codes.Unavailable, reason: reasonNodesMissing, metadata: map[string]string{"missing": names},
		text: fmt.Sprintf("%d of %d nodes have not done it: %s; what others have done is done; try again, or without require_all",
			len(missing), len(nodes), listed(told, ", "))}
}

// statusName is a status without its prefix.
func statusName(s pb.NodeStatus) string { return strings.TrimPrefix(s.String(), "NODE_STATUS_") }
