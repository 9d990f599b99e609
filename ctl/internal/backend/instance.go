package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// batch is the size of data in bytes after which commands are sent.
const batch = 64 << 10

// instance is one instance, with one lane on a network connection of its own.
type instance struct {
	set     *Set
	client  *app.Client
	stream  pb.HandlerService_AttachClient
	cancel  context.CancelFunc
	sending sync.Mutex  // around Send: a drain comes from another goroutine
	leaving atomic.Bool // its stream is to end
}

// attach opens the lane, and returns when the gateway has welcomed it.
func (s *Set) attach(name string) (*instance, error) {
	client, err := s.app.Connect()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(s.over)
	i := &instance{set: s, client: client, cancel: cancel}
	timer := time.AfterFunc(s.app.Timeout, cancel)
	err = i.greet(ctx, name)
	if !timer.Stop() {
		err = fmt.Errorf("the gateway at %s did not welcome the instance %s of %s within %s; allow it more with --timeout",
			client.Addr, name, s.handler, s.app.Timeout)
	}
	if err != nil {
		i.cut()
		return nil, err
	}
	return i, nil
}

// greet says hello, and waits for the welcome.
func (i *instance) greet(ctx context.Context, name string) (err error) {
	if i.stream, err = pb.NewHandlerServiceClient(i.client.Conn).Attach(ctx); err != nil {
		return err
	}
	i.send(&pb.AttachRequest{Hello: &pb.Hello{Handler: i.set.handler, Instance: name}})
	resp, err := i.stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the gateway ended the stream of the instance without a welcome")
	case err != nil:
		return i.client.Wrap(err, nil)
	case resp.GetWelcome() == nil:
		return errors.New("the gateway's first answer to the instance has no welcome")
	}
	i.answer(resp)
	return nil
}

// serve answers until the stream ends. It sends no sign of life: it owes nothing while it waits.
func (i *instance) serve() {
	defer i.cut()
	for {
		resp, err := i.stream.Recv()
		if err != nil {
			i.set.ended(i, err)
			return
		}
		i.answer(resp)
		if resp.GetReattach() != nil && !i.leaving.Swap(true) {
			i.set.serving.Go(func() { i.set.replace(i) })
		}
	}
}

// answer sends the commands for all deliveries of a response.
func (i *instance) answer(resp *pb.AttachResponse) {
	var commands []*pb.Command
	size := 0
	for _, d := range resp.GetDeliveries() {
		if d.GetOpened().GetResumed() {
			i.set.moved.Add(1)
		}
		command := echoed(d)
		if command == nil {
			continue
		}
		commands, size = append(commands, command), size+len(command.GetData())
		if size >= batch {
			i.send(&pb.AttachRequest{Commands: commands})
			commands, size = nil, 0
		}
	}
	if len(commands) > 0 {
		i.send(&pb.AttachRequest{Commands: commands})
	}
}

// echoed is the command that answers a delivery: it admits the connection; or sends its bytes back and acknowledges
// them at once; or closes the connection. nil: there is nothing to do.
func echoed(d *pb.Delivery) *pb.Command {
	c := &pb.Command{Connection: d.GetConnection(), Acknowledged: d.GetPosition()}
	switch d.GetNews().(type) {
	case *pb.Delivery_Opened:
	case *pb.Delivery_Data:
		c.Data = d.GetData()
	case *pb.Delivery_Ended:
		c.Close = &pb.Close{}
	default:
		return nil
	}
	return c
}

// send sends one request. An error ends the stream, and comes with Recv.
func (i *instance) send(req *pb.AttachRequest) {
	i.sending.Lock()
	defer i.sending.Unlock()
	_ = i.stream.Send(req)
}

// drain asks the gateway to move the connections to other instances. It ends the stream then.
func (i *instance) drain() {
	i.leaving.Store(true)
	i.send(&pb.AttachRequest{Drain: durationpb.New(Drain)})
}

// cut ends the stream and its network connection at once.
func (i *instance) cut() {
	i.leaving.Store(true)
	i.cancel()
	i.client.Close()
}
