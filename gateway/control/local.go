package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/audit"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/digest"
	"github.com/sockgate/sockgate/gateway/internal/share"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Local answers for one node alone, on behalf of the fleet that the node is in. It answers this node's part of a call
// that came here, by the methods of Service. It answers calls that another node forwarded, after it has authorized and
// validated them again. Its methods may be called from any goroutine.
type Local struct {
	*Service
	config Config // with its defaults
	guard  *auth.Guard
	digest *digest.Log // of refused and failed calls
	// of the control plane's server, by full name
	methods func() map[string]struct{}
}

// NewLocal returns the Local of a gateway. Give the same one to fleet.New and to NewInFleet. A gateway that runs alone
// needs only New.
func NewLocal(g Gateway, c Config) *Local {
	c = c.withDefaults()
	l := &Local{Service: newService(g, c.DrainTimeout), config: c, digest: digest.New(c.Logger)}
	l.memory = share.New(c.MemoryBudget, c.MemoryBudget/adminPart)
	l.guard = auth.NewGuard(&l.config.Auth, auth.NewAccessTable(services()), c.CallsPerIdentity, l.memory, l.digest)
	l.denials, l.most = l.guard.Denials, c.StreamsPerIdentity
	l.handlers, l.lanes = c.Handlers, share.New(c.MemoryBudget, c.MemoryBudget/adminPart)
	return l
}

// Caller returns the caller of a call that came to this node's control plane.
func (l *Local) Caller(ctx context.Context) event.Actor { return auth.Actor(ctx) }

// Status turns an error of a method of Service into the gRPC status that the control plane would answer with.
func (l *Local) Status(err error) error { return toStatus(err) }

// Panicked logs a panic of a method of Service, and returns the gRPC status that the control plane would answer with.
func (l *Local) Panicked(reason any) error { return toStatus(l.panicked(reason)) }

// Record publishes a CONTROL event about the work of other nodes for a caller of this one, and logs it as the gateway
// logs its own. The event log keeps d, and shortens its IDs and Reason.
func (l *Local) Record(d *event.ControlDetail) {
	audit.Publish(l.gateway.Log(), l.gateway.Gateway().Config.Logger, d)
}

// servicePrefix is the beginning of the full name of every method of GatewayService.
var servicePrefix = "/" + pb.GatewayService_ServiceDesc.ServiceName + "/"

// Call answers, for this node alone, a unary call of GatewayService that another node (caller.Via) forwarded. maxRole
// caps what calls forwarded by that node may do. The response is encoded. The error is the gRPC status that a caller of
// this node would get; an unknown method is UNIMPLEMENTED.
func (l *Local) Call(ctx context.Context, caller event.Actor, maxRole pb.Role, method string,
	body []byte) (response []byte, err error) {
	defer l.recover(&err)
	name, ours := strings.CutPrefix(method, servicePrefix)
	for _, m := range pb.GatewayService_ServiceDesc.Methods {
		if !ours || m.MethodName != name {
			continue
		}
		decode := func(request any) error { return l.decode(body, request.(proto.Message)) }
		answer, err := m.Handler(l.Service, ctx, decode, l.admitting(caller, maxRole))
		if err != nil {
			return nil, toStatus(err)
		}
		encoded, err := proto.Marshal(answer.(proto.Message))
		if err != nil {
			return nil, toStatus(fmt.Errorf("encoding the response of %s: %w", method, err))
		}
		return encoded, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "%.100q is no method of this version", method)
}

// Admit authorizes and validates a forwarded request, as Call does, and then calls do with the call's context. It
// returns nil, or a gRPC status.
func (l *Local) Admit(ctx context.Context, caller event.Actor, maxRole pb.Role, method string, r proto.Message,
	do func(context.Context) error) (err error) {
	defer l.recover(&err)
	info := &grpc.UnaryServerInfo{FullMethod: method}
	_, err = l.admitting(caller, maxRole)(ctx, r, info, func(ctx context.Context, _ any) (any, error) {
		return nil,
			do(ctx)
	})
	return toStatus(err)
}

// Follow answers a forwarded StreamEvents for this node alone. It passes each encoded response to send, which may block
// and must not keep it. An error of send ends the stream. Follow returns nil when the log has ended; any other end is a
// gRPC status.
func (l *Local) Follow(ctx context.Context, caller event.Actor, maxRole pb.Role, body []byte,
	send func([]byte) error) error {
	r := new(pb.StreamEventsRequest)
	if err := l.decode(body, r); err != nil {
		return toStatus(err)
	}
	r.Types = knownTypes(r.GetTypes())
	return l.Admit(ctx, caller, maxRole, pb.GatewayService_StreamEvents_FullMethodName, r,
		func(ctx context.Context) error {
			return l.Events(ctx, r, send)
		})
}

// Events answers an admitted StreamEvents for this node alone. It passes each encoded response to send, which may block
// and must not keep it. An error of send ends the stream. Events returns nil when the log has ended.
func (l *Local) Events(ctx context.Context, r *pb.StreamEventsRequest, send func([]byte) error) error {
	return l.Service.StreamEvents(r, &localStream{ctx: ctx, send: send})
}

// knownTypes leaves out event types of later versions, which this node never publishes. If no type is left it asks for
// GAP, which every stream gets, because an empty list would ask for all types.
func knownTypes(types []pb.EventType) []pb.EventType {
	known := slices.DeleteFunc(slices.Clone(types), func(t pb.EventType) bool { return pb.EventType_name[int32(t)] == "" })
	if len(known) == 0 && len(types) > 0 {
		return []pb.EventType{pb.EventType_EVENT_TYPE_GAP}
	}
	return known
}

// decode decodes a request of another node, within the size that a request of this node's callers may have.
func (l *Local) decode(body []byte, request proto.Message) error {
	if len(body) > maxReceive {
		return &contract.BoundsError{Field: "request", Text: fmt.Sprintf("it has %d bytes; expected at most %d", len(body),
			maxReceive)}
	}
	return unmarshal(body, request)
}

// recover turns a panic into an error.
func (l *Local) recover(err *error) {
	if p := recover(); p != nil {
		*err = l.Panicked(p)
	}
}

// admitting returns the interceptor that authorizes and validates a forwarded call.
func (l *Local) admitting(caller event.Actor, maxRole pb.Role) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx = l.forwarded(ctx, caller, maxRole)
		ctx, leave, err := l.guard.Authorize(ctx, info.FullMethod)
		if err != nil {
			return nil, err
		}
		defer leave()
		if err := l.guard.AuthorizeMessage(ctx, info.FullMethod, request); err != nil {
			return nil, err
		}
		if err := checkRequestID(ctx); err != nil {
			return nil, err
		}
		if ctx, err = withMeaning(ctx, request); err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
}

// localStream is a StreamEvents call that does not come over gRPC.
type localStream struct {
	grpc.ServerStream
	ctx  context.Context
	send func([]byte) error
}

// Context returns the call's context.
func (s *localStream) Context() context.Context { return s.ctx }

// SendMsg passes an encoded response on.
func (s *localStream) SendMsg(m any) error { return s.send(m.(*encodedResponse).buffer.ReadOnlyData()) }

// Send passes a response on.
func (s *localStream) Send(r *pb.StreamEventsResponse) error {
	b, err := proto.Marshal(r)
	if err != nil {
		return err
	}
	return s.send(b)
}

// forwarded returns the context of a forwarded call. Its caller has the role that two others have in
// common: its role at the other node, and maxRole.
func (l *Local) forwarded(ctx context.Context, caller event.Actor, maxRole pb.Role) context.Context {
	c := auth.Caller{Identity: caller.Identity, Proof: caller.Proof, Address: caller.Address, Via: caller.Via,
		Role: auth.Common(auth.RoleNamed(caller.Role), maxRole)}
	if caller.RequestID != "" {
		ctx = metadata.NewIncomingContext(ctx, metadata.Pairs(auth.RequestIDKey, caller.RequestID))
	}
	return auth.WithGrant(ctx, auth.NewGrant(c))
}
