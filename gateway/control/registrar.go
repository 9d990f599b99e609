package control

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// registrar registers services in which every call is a stream to gRPC; on the wire there is no difference. gRPC runs
// unary interceptors only once it has received the request. The request of a stream waits until the interceptors have
// found room for it. It validates requests, and refuses those whose nodes cannot be asked.
type registrar struct {
	*grpc.Server
	scope scopeCheck
}

// RegisterService registers a service.
func (r registrar) RegisterService(d *grpc.ServiceDesc, service any) {
	s := *d
	s.Methods, s.Streams = nil, nil
	for _, m := range d.Methods { // ServerStreams, because gRPC runs no interceptors without it
		s.Streams = append(s.Streams, grpc.StreamDesc{StreamName: m.MethodName, Handler: r.answer(m), ServerStreams: true})
	}
	for _, m := range d.Streams {
		m.Handler = r.validating(m.Handler)
		s.Streams = append(s.Streams, m)
	}
	r.Server.RegisterService(&s, service)
}

// answer returns the handler of a unary method: it receives the request, validates it, and sends the answer.
func (r registrar) answer(m grpc.MethodDesc) grpc.StreamHandler {
	return func(service any, stream grpc.ServerStream) error {
		response, err := m.Handler(service, stream.Context(), stream.RecvMsg, r.scope.unary)
		turn.Of(stream.Context()).Begin()
		if err != nil {
			return err
		}
		return stream.SendMsg(response)
	}
}

// validating returns a handler whose stream validates what it receives.
func (r registrar) validating(handler grpc.StreamHandler) grpc.StreamHandler {
	return func(service any, stream grpc.ServerStream) error {
		defer turn.Of(stream.Context()).Begin()
		return handler(service, validatedStream{stream, r.scope})
	}
}

// errUnchecked refuses a unary method that was registered without a registrar, because it would pass no interceptor.
var errUnchecked = errors.New("the gateway has registered this method without its checks")

func refuseUnary(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
	return nil, toStatus(errUnchecked)
}

const (
	// rowBytes is the most of a usual row with labels. Rows of a page have at most contract.PageBytes in all.
	rowBytes = 3 << 10
	// banBytes is the most of a ban: a target and a reason of the greatest length, and its caller.
	banBytes = 3 << 10
	// outcomeBytes is the most of an outcome: an ID and a little more.
	outcomeBytes = contract.MaxIDLength + 64
	// smallAnswer is room for an answer of any other kind.
	smallAnswer = 64 << 10
)

// answerBytes is the room in bytes that a request's answer needs before it is made.
func answerBytes(request any) int64 {
	switch r := request.(type) {
	case *pb.ListConnectionsRequest:
		return smallAnswer + min(contract.PageBytes, int64(contract.PageSize(r.GetPageSize()))*rowBytes)
	case *pb.ListBansRequest:
		return smallAnswer + min(contract.MaxResponse, int64(contract.PageSize(r.GetPageSize()))*banBytes)
	case *pb.CountConnectionsRequest:
		if r.GetBy() != "" {
			return smallAnswer + server.MaxGroups*outcomeBytes
		}
	case *pb.KickRequest:
		return smallAnswer + int64(len(r.GetConnectionIds()))*outcomeBytes
	case *pb.SetLabelsRequest:
		return smallAnswer + int64(len(r.GetConnectionIds()))*outcomeBytes
	}
	return smallAnswer
}
