package control

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	"github.com/sockgate/sockgate/gateway/lane"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// attachment is one Attach call. The call's own goroutine sends; a second one receives, and ends when the stream has
// ended. Each calls the lane's methods for its side.
type attachment struct {
	ctx    context.Context
	stream pb.HandlerService_AttachServer
	lane   *lane.Lane
	nodes  *atomic.Pointer[pb.Nodes] // of the fleet
	last   int                       // bytes of the response before
}

// send sends welcome and then what the lane delivers, until the lane has ended. The error is a *lane.Cause, or that of
// the stream.
func (a *attachment) send(welcome *pb.AttachResponse) error {
	if err := a.stream.SendMsg(welcome); err != nil {
		return err
	}
	for a.ctx.Err() == nil {
		response, err := a.gather()
		if err != nil {
			return err
		}
		err = a.stream.SendMsg(&encodedResponse{response})
		response.Free()
		if err != nil {
			return err
		}
	}
	return a.ctx.Err()
}

// gather waits for deliveries and returns them as a response, which the caller must free. A response without any is a
// sign of life.
func (a *attachment) gather() (mem.Buffer, error) {
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(max(1<<10, 2*a.last))
	b := (*buffer)[:0]
	err := a.lane.Next(a.ctx, func(d *lane.Delivery) { b = a.append(b, d) })
	if err != nil {
		pool.Put(buffer)
		return nil, err
	}
	a.last = min(len(b), 64<<10)
	*buffer = b
	return mem.NewBuffer(buffer, pool), nil
}

// append appends a delivery to an encoded response.
func (a *attachment) append(b []byte, d *lane.Delivery) []byte {
	if d.Kind != lane.Nodes {
		return wire.AppendDelivery(b, d)
	}
	m := &pb.AttachResponse{Nodes: a.nodes.Load()}
	if longer, err := (proto.MarshalOptions{}).MarshalAppend(b, m); err == nil { // it fails for invalid UTF-8 only
		return longer
	}
	return b
}

// receive carries out what the program sends, until the stream or the lane has ended.
func (a *attachment) receive() {
	for {
		if cause := a.receiveOne(); cause != nil {
			a.lane.Detach(*cause)
			return
		}
	}
}

// receiveOne carries out one request. It returns why the lane ends, or nil.
func (a *attachment) receiveOne() *lane.Cause {
	var r received
	err := a.stream.RecvMsg(&r)
	switch {
	case errors.Is(err, io.EOF):
		return &lane.Cause{Text: "the program ended the stream"}
	case err != nil && a.ctx.Err() == nil: // a request beyond maxReceive
		return &lane.Cause{Text: "receiving from the program failed: " + err.Error(), Err: err}
	case err != nil:
		cause := causeOf(a.ctx, err)
		return &cause
	}
	defer r.wire.Free()
	a.lane.Heard()
	drain, err := wire.EachCommand(r.wire.ReadOnlyData(), a.lane.Do)
	if err != nil {
		return &lane.Cause{Text: err.Error(), Err: invalidCommand(err)}
	}
	if drain != nil {
		a.lane.Drain(*drain)
	}
	return nil
}

// invalidCommand returns the error for a request that is out of its bounds.
func invalidCommand(err error) error {
	var command *lane.CommandError
	if errors.As(err, &command) {
		return err
	}
	return &lane.CommandError{Text: contract.ValidText(err.Error())}
}
