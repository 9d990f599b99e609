package remote_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/remote"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// BenchmarkEcho measures an echo of 64 B without a network: a response is decoded, each delivery is answered, and each
// request is encoded. An operation is a message. Batches are responses of so many deliveries for 100 connections.
func BenchmarkEcho(b *testing.B) {
	for name, batch := range map[string]int{"batch=1": 1, "batch=100": 100, "batch=1000": 1000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := newWire(b.N, batch)
			b.ResetTimer()
			err := remote.Serve(w.ctx, w, remote.Config{Handler: "chat", DrainTimeout: -1}, echo{})
			if err != nil || w.commands.Load() != int64(b.N)+connections {
				b.Errorf("%d commands, and %v", w.commands.Load(), err)
			}
			b.ReportMetric(float64(b.N)/float64(w.requests.Load()), "commands/request")
		})
	}
}

// connections is how many connections the benchmark has.
const connections = 100

// wire is a connection to a gateway that answers from memory.
type wire struct {
	ctx       context.Context
	cancel    context.CancelFunc
	responses [][]byte // the last one again and again
	left      int      // messages
	batch     int
	total     int64
	commands  atomic.Int64
	requests  atomic.Int64
	buffer    []byte
}

func newWire(n, batch int) *wire {
	w := &wire{left: n, batch: batch, total: int64(n) + connections}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	hello := welcome()
	for i := range connections {
		hello.Deliveries = append(hello.Deliveries, opened(uint64(i), 0))
	}
	w.responses = [][]byte{encode(hello)}
	payload := string(make([]byte, 64))
	response := &pb.AttachResponse{}
	for i := range batch {
		response.Deliveries = append(response.Deliveries, data(uint64(i%connections), 64, payload))
	}
	w.responses = append(w.responses, encode(response))
	return w
}

func encode(m proto.Message) []byte {
	p, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return p
}

func (w *wire) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return errors.New("not a stream")
}

func (w *wire) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream,
	error) {
	return &wireStream{wire: w, ctx: ctx}, nil
}

// wireStream is the stream of a wire.
type wireStream struct {
	*wire
	ctx context.Context
}

func (s *wireStream) RecvMsg(m any) error {
	p := s.responses[0]
	switch {
	case len(s.responses) > 1:
		s.responses = s.responses[1:]
	case s.left == 0:
		<-s.ctx.Done()
		return s.ctx.Err()
	case s.left < s.batch: // the rest
		r := &pb.AttachResponse{}
		if err := proto.Unmarshal(p, r); err != nil {
			return err
		}
		r.Deliveries = r.Deliveries[:s.left]
		s.left = 0
		return proto.Unmarshal(encode(r), m.(proto.Message))
	default:
		s.left -= s.batch
	}
	return proto.Unmarshal(p, m.(proto.Message))
}

func (s *wireStream) SendMsg(m any) error {
	var err error
	r := m.(*pb.AttachRequest)
	if s.buffer, err = (proto.MarshalOptions{}).MarshalAppend(s.buffer[:0], r); err != nil {
		return err
	}
	s.requests.Add(1)
	if s.commands.Add(int64(len(r.GetCommands()))) == s.total {
		s.cancel()
	}
	return nil
}

func (s *wireStream) Header() (metadata.MD, error) { return nil, io.EOF }
func (s *wireStream) Trailer() metadata.MD         { return nil }
func (s *wireStream) CloseSend() error             { return nil }
func (s *wireStream) Context() context.Context     { return s.ctx }
