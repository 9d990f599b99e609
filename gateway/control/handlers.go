package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/share"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	"github.com/sockgate/sockgate/gateway/lane"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// laneBytes is the most that a lane holds: a request, a batch of deliveries on its way, and its goroutines.
const laneBytes = maxReceive + 256<<10

// handlers implements sockgate.v1.HandlerService: it carries lanes over gRPC. An instance is a part of the data plane,
// as an embedded handler is: its requests are not handled in turns, so that they do not wait while the sockets that
// they answer keep the processor busy.
type handlers struct {
	pb.UnsafeHandlerServiceServer
	gateway    Gateway
	table      *lane.Table
	memory     *share.Pool
	age, grace time.Duration  // of a client's connection
	readers    sync.WaitGroup // goroutines that receive; each ends with its stream
	book       addressBook    // nil: the gateway runs alone
	nodes      atomic.Pointer[pb.Nodes]
}

// addressBook knows where the control planes of a fleet's nodes are.
type addressBook interface {
	// Addresses returns the nodes, in the order of their names, and a channel that is closed when they have changed.
	Addresses() (nodes []*pb.NodeAddress, changed <-chan struct{})
}

// follow tells the lanes when the nodes of the fleet have changed, until ctx ends.
func (h *handlers) follow(ctx context.Context) {
	if h.book == nil {
		return
	}
	for {
		nodes, changed := h.book.Addresses()
		h.nodes.Store(&pb.Nodes{Nodes: nodes})
		h.table.Tell(lane.Nodes, 0)
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// newHandlers returns the service of a node. It tells programs where the other nodes are if answers knows.
func newHandlers(l *Local, answers pb.GatewayServiceServer) *handlers {
	h := &handlers{gateway: l.gateway, table: l.handlers, memory: l.lanes, age: l.config.MaxConnectionAge,
		grace: l.config.MaxConnectionAgeGrace}
	h.book, _ = answers.(addressBook)
	return h
}

// Attach opens a lane, and serves it until it ends.
func (h *handlers) Attach(stream pb.HandlerService_AttachServer) error {
	ctx := stream.Context()
	turn.Of(ctx).End()
	defer turn.Of(ctx).Begin()
	hello, err := receiveHello(stream)
	if err != nil {
		return err
	}
	if err := auth.MayAttach(ctx, hello.GetHandler()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	hold, err := h.memory.Take(auth.PartyOf(ctx), laneBytes, func() { cancel(errLaneGaveWay) })
	if err != nil {
		return errNoRoomForLane
	}
	defer hold.Release()
	defer auth.CallOf(ctx).Carry()()
	l, err := h.table.Attach(lane.Hello{Handler: hello.GetHandler(), Instance: hello.GetInstance(),
		MaxConnections: hello.GetMaxConnections(), Window: hello.GetWindow(), Actor: auth.Actor(ctx),
		Cut: auth.CallOf(ctx).Cut})
	if err != nil {
		return err
	}
	return h.serve(&attachment{ctx: ctx, stream: stream, lane: l, nodes: &h.nodes})
}

// laneBudgetError says that there is no room for a lane. It is RESOURCE_EXHAUSTED.
type laneBudgetError struct{ text string }

// Error returns a sentence that says what to do.
func (e *laneBudgetError) Error() string { return e.text }

var (
	errNoRoomForLane = &laneBudgetError{"lanes hold all of the memory for lanes, or this identity has its share of it; " +
		"end some, or use fewer lanes for each instance"}
	errLaneGaveWay = &laneBudgetError{"this lane was ended to make room: its identity has more than its share of the " +
		"memory for lanes; use fewer lanes for each instance"}
)

// receiveHello receives the first request.
func receiveHello(stream grpc.ServerStream) (*pb.Hello, error) {
	m := new(pb.AttachRequest)
	r := received{message: m}
	err := auth.CallOf(stream.Context()).Receive(stream.Context(), maxReceive, false, func() (int64, error) {
		err := stream.RecvMsg(&r)
		return r.size, err
	})
	if err == nil {
		err = r.decode()
	}
	switch {
	case err != nil:
		return nil, err
	case m.GetHello() == nil:
		return nil, &lane.HelloError{Text: "the first request has no hello: expected one, with the handler and the instance"}
	case len(m.GetCommands()) > 0 || m.GetDrain() != nil:
		return nil, &lane.HelloError{Text: "the first request has more than hello: expected hello alone"}
	}
	return m.GetHello(), nil
}

// serve sends until the lane has ended, and returns the error for the program.
func (h *handlers) serve(a *attachment) error {
	defer h.notifyOfAge(a.lane, auth.CallOf(a.ctx).ConnectionAge())()
	h.readers.Go(a.receive)
	err := a.send(h.welcome(a.lane))
	var cause *lane.Cause
	if !errors.As(err, &cause) {
		a.lane.Detach(causeOf(a.ctx, err))
		cause = a.lane.Cause()
	}
	switch {
	case cause.Err != nil:
		return cause.Err
	case cause.Frozen, cause.Gateway && a.ctx.Err() == nil:
		return cause
	}
	return context.Cause(a.ctx) // nil after a drain, or when the program ended the stream
}

// causeOf returns why a stream that has failed ended. The program is not to blame for the end of its proof.
func causeOf(ctx context.Context, err error) lane.Cause {
	var denial *auth.Denial
	var budget *laneBudgetError
	cause := context.Cause(ctx)
	switch {
	case errors.As(cause, &denial), errors.As(cause, &budget):
		return lane.Cause{Text: cause.Error(), Gateway: true}
	case cause != nil:
		return lane.Cause{Text: "the program's connection has ended"}
	}
	return lane.Cause{Text: fmt.Sprintf("sending to the program failed: %v", err)}
}

func (h *handlers) welcome(l *lane.Lane) *pb.AttachResponse {
	origin := h.gateway.Cursor().Origin
	return &pb.AttachResponse{Welcome: &pb.Welcome{Node: origin.Node, Incarnation: origin.Incarnation,
		Nodes: h.nodes.Load(), Window: uint32(l.Window())}}
}

// notifyOfAge tells a lane to attach again when its connection, which has an age already, is old, until stop. gRPC does
// not say when the connection began to take no more calls: at an age that is up to a tenth less or more than
// MaxConnectionAge. One of the notices comes between that moment and the end of the connection.
func (h *handlers) notifyOfAge(l *lane.Lane, age time.Duration) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(max(h.age-h.age/10-age, 0)+h.grace/2, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			l.Tell(lane.Reattach, h.grace/2)
			timer.Reset(h.grace / 2)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
