package exchange

import (
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

// Answer is what became of a question on one node.
type Answer struct {
	Node    string
	Status  pb.NodeStatus // never UNSPECIFIED
	Body    []byte        // with OK: the encoded response
	Err     error         // with ERROR and DENIED: the gRPC status
	Message string        // with all but OK: in words
	Elapsed time.Duration
}

func (a *Answer) OK() bool { return a.Status == pb.NodeStatus_NODE_STATUS_OK }

// Doubtful reports whether a node that did not do what it was asked for may have done it all the same, or a part of it.
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
		return Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_LEFT, Message: "it has left the fleet; it was not asked"}
	}
	return Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE,
		Message: fmt.Sprintf("nothing has been heard of it for %s; it was not asked", time.Since(m.HeardAt).Round(time.Second))}
}

// unsent is the answer of a node to which the question could not be sent.
func unsent(err error) Answer {
	if _, large := err.(*sizeError); large {
		return Answer{Status: pb.NodeStatus_NODE_STATUS_ERROR, Err: grpcstatus.Error(codes.ResourceExhausted, err.Error()), Message: err.Error()}
	}
	return Answer{Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, Message: "it could not be asked: " + err.Error()}
}

// What is taken of what a node says about its answer: it goes on to the caller, with that of all other nodes. A status is decoded to many
// times its size.
const (
	maxSaid  = 4 << 10
	maxError = 64 << 10
)

// answerOf decodes a reply. What a node cannot answer with, or a newer version means by it, is an ERROR.
func answerOf(r *fleetv1.Reply) Answer {
	a := Answer{Status: r.GetStatus(), Message: strings.ToValidUTF8(r.GetMessage()[:min(len(r.GetMessage()), maxSaid)], "")}
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

// errorOf returns the gRPC status of a reply, which has a message that is not too long.
func errorOf(r *fleetv1.Reply, message string) error {
	s := new(status.Status)
	if len(r.GetError()) > maxError {
		return grpcstatus.Errorf(codes.Unknown, "an error of %d bytes; a node says at most %d: %s", len(r.GetError()), maxError, message)
	}
	if err := proto.Unmarshal(r.GetError(), s); err != nil || s.GetCode() == int32(codes.OK) {
		return grpcstatus.Errorf(codes.Unknown, "an error that does not say what it is: %s", message)
	}
	return grpcstatus.ErrorProto(s)
}
