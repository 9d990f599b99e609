package exchange

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// verdict makes the reply from the result of answering. It returns nil if the asker waits no longer.
func verdict(w *work, body []byte, err error) *fleetv1.Reply {
	if err == nil {
		return &fleetv1.Reply{Status: pb.NodeStatus_NODE_STATUS_OK, Body: body}
	}
	if w.harmless {
		switch cause := context.Cause(w.ctx); {
		case errors.Is(cause, errNobodyWaits):
			return nil
		case errors.Is(cause, errGaveWay):
			return &fleetv1.Reply{Status: pb.NodeStatus_NODE_STATUS_OVERLOADED, Message: cause.Error() + "; nothing was done"}
		case errors.Is(cause, errSilent):
			return &fleetv1.Reply{Status: pb.NodeStatus_NODE_STATUS_TIMED_OUT, Message: cause.Error()}
		case errors.Is(cause, errLeaving):
			return &fleetv1.Reply{Status: pb.NodeStatus_NODE_STATUS_LEFT, Message: cause.Error()}
		}
	}
	return failure(err)
}

// statusOf returns the gRPC status of an error, including a context's error.
func statusOf(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	return status.FromContextError(err)
}

// failure makes the reply of an error.
func failure(err error) *fleetv1.Reply {
	s := statusOf(err)
	r := &fleetv1.Reply{Status: pb.NodeStatus_NODE_STATUS_ERROR, Message: s.Message()}
	switch s.Code() {
	case codes.Unimplemented:
		r.Status = pb.NodeStatus_NODE_STATUS_UNSUPPORTED
		return r
	case codes.PermissionDenied, codes.Unauthenticated:
		r.Status = pb.NodeStatus_NODE_STATUS_DENIED
	}
	p := s.Proto()
	p.Message = strings.ToValidUTF8(p.GetMessage(), "\uFFFD")
	encoded, err := proto.Marshal(p)
	if err != nil { // the reply's message still arrives
		encoded = nil
	}
	r.Error = encoded
	return r
}

// safely calls f, and turns a panic into an error, so that one request cannot end the others.
func (in *incoming) safely(w *work, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			in.x.log.Error("panic while answering another node", "node", w.from, "method", w.request.GetMethod(), "panic",
				fmt.Sprint(p),
				"stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "the node failed while it answered; its log says more")
		}
	}()
	return f()
}

// reply sends the answer to a request.
func (x *Exchange) reply(to string, id messageID, r *fleetv1.Reply) {
	encoded, err := x.encode(r)
	if err == nil && len(encoded) > messageSize {
		err = fmt.Errorf("it was done, but the answer is %w", &sizeError{len(encoded)})
	}
	if err != nil {
		encoded, err = x.encode(failure(status.Error(codes.ResourceExhausted, err.Error())))
	}
	if err == nil {
		err = x.publish(x.subjects.Answer(x.self.Node, to), id, kindReply, encoded)
	}
	if err != nil {
		x.ignored.note(ignoredUnsent, to)
	}
}

// encode encodes a reply of this life.
func (x *Exchange) encode(r *fleetv1.Reply) ([]byte, error) {
	r.Incarnation = x.self.Incarnation
	r.Message = strings.ToValidUTF8(r.GetMessage(), "\uFFFD")
	return proto.Marshal(r)
}
