package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// half is half of the longest silence of the program, which is below 3 s. The gateway takes it for frozen after 10 s.
	half = 1400 * time.Millisecond
	// silence is how long the gateway may say nothing, or take nothing of a request. It says something every 5 s.
	silence = 15 * time.Second
	// maxReceive is the most bytes of a response: a frame of 16 MiB, and a batch of others.
	maxReceive = 20 << 20
)

// lane is one stream. Its reader calls the handler, and its writer sends what the outbox has.
type lane struct {
	slot    *slot
	backoff backoff   // of its slot when it was attached
	began   time.Time // the moment when it was attached
	handler *hooks
	logger  hclog.Logger
	node    string // the name that the gateway gave
	stream  pb.HandlerService_AttachClient
	ctx     context.Context // of the stream
	cancel  context.CancelCauseFunc
	out     *outbox
	watch   watch

	// The reader's own.
	conns    map[uint64]*Conn
	scratch  change // of the call under way, which its connection's mu guards
	returned bool   // the last call of the handler returned
	replaced bool   // another lane takes this one's place
}

// attach opens a lane, and returns it with the gateway's first response.
func (s *slot) attach() (*lane, *pb.AttachResponse, error) {
	n := s.node
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(n.ctx))
	defer context.AfterFunc(n.ctx, func() { cancel(context.Cause(n.ctx)) })()
	timer := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer timer.Stop()
	l := &lane{slot: s, handler: n.fleet.handler, ctx: ctx, cancel: cancel, out: newOutbox(),
		conns: make(map[uint64]*Conn)}
	first, err := l.greet()
	if err != nil {
		cancel(err)
		return nil, nil, err
	}
	l.node = first.GetWelcome().GetNode()
	l.logger = n.fleet.config.Logger.With("handler", n.fleet.config.Handler, "node", l.node)
	return l, first, nil
}

// greet opens the stream, and says hello.
func (l *lane) greet() (*pb.AttachResponse, error) {
	n := l.slot.node
	stream, err := pb.NewHandlerServiceClient(n.conn).Attach(l.ctx, grpc.MaxCallRecvMsgSize(maxReceive))
	if err != nil {
		return nil, &dialError{l.told(err)}
	}
	l.stream = stream
	c := n.fleet.config
	hello := &pb.Hello{Handler: c.Handler, Instance: c.Instance, MaxConnections: uint32(c.MaxConnections),
		Window: uint32(c.Window)}
	if err := stream.Send(&pb.AttachRequest{Hello: hello}); err != nil && !errors.Is(err, io.EOF) {
		return nil, l.told(err)
	}
	first, err := stream.Recv()
	switch {
	case err != nil:
		return nil, l.told(err)
	case first.GetWelcome() == nil:
		return nil, errors.New("the gateway's first response has no welcome")
	}
	return first, nil
}

// told returns the cause of a stream's end: the lane's own reason, if it has one.
func (l *lane) told(err error) error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return err
}

// run serves the lane until its stream ends, and returns the cause.
func (l *lane) run(first *pb.AttachResponse) error {
	var writer sync.WaitGroup
	l.watch.start(l)
	writer.Go(l.write)
	stop := context.AfterFunc(l.slot.node.ctx, l.leave)
	defer func() {
		stop()
		l.watch.stop()
		l.cancel(errEnded)
		l.out.end()
		writer.Wait()
		l.slot.node.fleet.gone(l)
		for _, c := range l.conns {
			l.closed(c, l.handler.moved)
		}
	}()
	return l.read(first)
}

// read handles responses until the stream ends. Those that came before the end of the lane and were not read yet are
// not handled: no command would be sent.
func (l *lane) read(r *pb.AttachResponse) error {
	for l.ctx.Err() == nil {
		if err := l.receive(r); err != nil {
			return err
		}
		l.watch.reader.beat(true)
		var err error
		if r, err = l.stream.Recv(); err != nil {
			return l.told(err)
		}
		l.watch.reader.beat(false)
	}
	return context.Cause(l.ctx)
}

// write sends batches until the lane ends, and a sign of life when there are none.
func (l *lane) write() {
	defer l.out.end()
	ticker := time.NewTicker(half)
	defer ticker.Stop()
	silent := false
	for {
		b := l.out.take()
		if b != nil {
			silent = false
			if !l.send(b.request) {
				return
			}
			l.out.taken(b)
			continue
		}
		if !l.pause(ticker, &silent) {
			return
		}
	}
}

// pause waits until there may be a batch. At the second tick in silence it sends a sign of life. It returns false when
// the lane has ended.
func (l *lane) pause(ticker *time.Ticker, silent *bool) bool {
	for {
		select {
		case <-l.out.woken:
			return true
		case <-l.ctx.Done():
			return false
		case <-ticker.C:
			if *silent && !l.send(&pb.AttachRequest{}) {
				return false
			}
			*silent = !*silent
		}
	}
}

// send sends a request. It returns false when the stream has ended; the reader is told why.
func (l *lane) send(r *pb.AttachRequest) bool {
	l.watch.writer.beat(true)
	err := l.stream.Send(r)
	l.watch.writer.beat(false)
	if err != nil && !errors.Is(err, io.EOF) {
		l.cancel(fmt.Errorf("sending to the gateway: %w", err))
	}
	return err == nil
}

// leave drains the lane because the program ends or the node is no longer wanted.
func (l *lane) leave() {
	n := l.slot.node
	if n.abandons() {
		l.cancel(context.Cause(n.ctx))
		return
	}
	l.drain(time.Now().Add(n.fleet.config.DrainTimeout))
}

// drain makes the gateway move the lane's connections until a deadline, and then end the stream.
func (l *lane) drain(until time.Time) {
	l.out.drainWithin(max(0, time.Until(until)))
	l.watch.endBy(until.Add(grace))
}
