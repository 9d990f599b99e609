package exchange

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Answer is the result of a question on one node.
type Answer struct {
	Node    string
	Status  pb.NodeStatus // never UNSPECIFIED
	Body    []byte        // the encoded response; set if OK
	Err     error         // the gRPC status; set if ERROR or DENIED
	Message string        // the reason in words; set unless OK
	Elapsed time.Duration // from the question to the answer; 0 if the node was not asked
}

// OK reports whether the node carried out the request.
func (a *Answer) OK() bool { return a.Status == pb.NodeStatus_NODE_STATUS_OK }

// Doubtful reports whether a node without an OK may still have done some or all of its work.
func (a *Answer) Doubtful() bool {
	switch a.Status {
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_LEFT:
		return true
	case pb.NodeStatus_NODE_STATUS_ERROR:
		return grpcstatus.Code(a.Err) == codes.Internal || grpcstatus.Code(a.Err) == codes.Unknown
	}
	return false
}

// NotAsked is the answer of a member that is not asked.
func NotAsked(m *member.Member) Answer {
	if m.State == pb.NodeState_NODE_STATE_LEFT {
		return Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_LEFT,
			Message: "it has left the fleet; it was not asked"}
	}
	return Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE,
		Message: fmt.Sprintf("nothing has been heard of it for %s; it was not asked",
			time.Since(m.HeardAt).Round(time.Second))}
}

// unsent is the answer of a node that the question could not be sent to.
func unsent(err error) Answer {
	var large *sizeError
	if errors.As(err, &large) {
		return Answer{Status: pb.NodeStatus_NODE_STATUS_ERROR, Err: grpcstatus.Error(codes.ResourceExhausted, err.Error()),
			Message: err.Error()}
	}
	return Answer{Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, Message: "it could not be asked: " + err.Error()}
}

// Bounds of the text of one node's answer. The caller gets the answers of all nodes together, and decoding a status
// takes many times its size.
const (
	maxSaid  = 4 << 10
	maxError = 64 << 10
)

// answerOf decodes a reply. A status that no node can answer with, or that only a newer version knows, becomes an
// ERROR.
func answerOf(r *fleetv1.Reply) Answer {
	a := Answer{Status: r.GetStatus(), Message: strings.ToValidUTF8(r.GetMessage()[:min(len(r.GetMessage()), maxSaid)],
		"")}
	switch a.Status {
	case pb.NodeStatus_NODE_STATUS_OK:
		a.Body, a.Message = r.GetBody(), ""
	case pb.NodeStatus_NODE_STATUS_OVERLOADED, pb.NodeStatus_NODE_STATUS_UNSUPPORTED, pb.NodeStatus_NODE_STATUS_RESTARTED,
		pb.NodeStatus_NODE_STATUS_LEFT, pb.NodeStatus_NODE_STATUS_TIMED_OUT:
	case pb.NodeStatus_NODE_STATUS_ERROR, pb.NodeStatus_NODE_STATUS_DENIED:
		a.Err = errorOf(r, a.Message)
		a.Message = grpcstatus.Convert(a.Err).Message()
	default:
		a.Message = fmt.Sprintf("it answered with %s, which this version does not understand", a.Status)
		a.Err = grpcstatus.Error(codes.Internal, a.Message)
		a.Status = pb.NodeStatus_NODE_STATUS_ERROR
	}
	return a
}

// errorOf returns the gRPC status of a reply, with a message of bounded length.
func errorOf(r *fleetv1.Reply, message string) error {
	s := new(status.Status)
	if len(r.GetError()) > maxError {
		return grpcstatus.Errorf(codes.Unknown, "an error of %d bytes; a node says at most %d: %s", len(r.GetError()),
			maxError, message)
	}
	if err := proto.Unmarshal(r.GetError(), s); err != nil || s.GetCode() == int32(codes.OK) {
		return grpcstatus.Errorf(codes.Unknown, "an error that does not say what it is: %s", message)
	}
	return grpcstatus.ErrorProto(s)
}
