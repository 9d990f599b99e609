//go:build unix

package control_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// busyLog returns a full log of connections that come and go.
func busyLog(b *testing.B) (*event.Log, func()) {
	b.Helper()
	origin := &event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}
	listener := &event.Listener{Name: "main"}
	l := event.NewLog(*origin, 65536)
	seq := uint64(0)
	publish := func() {
		seq++
		now := time.Now()
		info := server.Connection{
			Identity: &event.Identity{Origin: origin, Listener: listener, Seq: seq, ConnectedAt: now,
				Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(seq >> 8), byte(seq)}),
					40000), Local: netip.MustParseAddrPort("10.0.0.1:8017")},
			LastActiveAt: now, State: event.StateOpen,
		}
		l.Append(&event.Event{Type: event.Connected, Conn: info})
		info.BytesReceived, info.BytesSent, info.State, info.CloseReason, info.ClosedAt = 1234, 5678, event.StateClosed,
			event.ReasonPeerClosed, now
		l.Append(&event.Event{Type: event.Closed, Conn: info, Detail: &event.ClosedDetail{Lifetime: time.Second}})
	}
	for range 65536 / 2 {
		publish()
	}
	return l, publish
}

// processorTime returns the processor time that the process has used, including the clients in it. On a busy machine it
// says more than the time that passed.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// raw is a response that its client does not decode.
type raw struct{ data []byte }

// rawCodec leaves responses as they are.
type rawCodec struct{ encoding.CodecV2 }

func (c rawCodec) Unmarshal(data mem.BufferSlice, m any) error {
	if r, ok := m.(*raw); ok {
		r.data = slices.Grow(r.data[:0], data.Len())[:data.Len()]
		data.CopyTo(r.data)
		return nil
	}
	return c.CodecV2.Unmarshal(data, m)
}

// count returns the number of events in a response.
func (r *raw) count() (n int) {
	for b := r.data; len(b) > 0; {
		field, _, length := protowire.ConsumeField(b)
		if field == 1 {
			n++
		}
		b = b[length:]
	}
	return n
}

// benchmarkStream opens a stream that is received with or without decoding. It returns a function that receives one
// response and returns the number of its events.
func benchmarkStream(b *testing.B, conn *grpc.ClientConn, r *pb.StreamEventsRequest, decode bool) func() (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	options := []grpc.CallOption{}
	if !decode {
		options = append(options, grpc.ForceCodecV2(rawCodec{encoding.GetCodecV2(proto.Name)}))
	}
	stream, err := pb.NewGatewayServiceClient(conn).StreamEvents(ctx, r, options...)
	check(b, err)
	if decode {
		return func() (int, error) {
			r, err := stream.Recv()
			return len(r.GetEvents()), err
		}
	}
	var m raw
	return func() (int, error) {
		if err := stream.RecvMsg(&m); err != nil {
			return 0, err
		}
		return m.count(), nil
	}
}

// BenchmarkReplay sends a full log to one client over loopback, again and again.
func BenchmarkReplay(b *testing.B) {
	for _, decode := range []bool{false, true} {
		b.Run(fmt.Sprintf("decode=%t", decode), func(b *testing.B) {
			l, _ := busyLog(b)
			conn, _ := serve(b, logOnly{log: l}, control.Config{})
			began := processorTime(b)
			b.ReportAllocs()
			for b.Loop() {
				receive := benchmarkStream(b, conn, &pb.StreamEventsRequest{After: "0"}, decode)
				for got := 0; got < 65536; {
					n, err := receive()
					check(b, err)
					got += n
				}
			}
			b.ReportMetric(float64(b.N)*65536/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(processorTime(b)-began)/float64(b.N)/65536, "cpu-ns/event")
		})
	}
}

// BenchmarkFollow publishes as fast as the slowest of several streams takes the events. An op is 65,536 events that
// have arrived at all of them.
func BenchmarkFollow(b *testing.B) {
	for _, streams := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			l, publish := busyLog(b)
			conn, _ := serve(b, logOnly{log: l}, control.Config{})
			const ahead = 32768 // events that the publisher may be ahead of the slowest stream
			taken := make([]atomic.Int64, streams)
			more := make(chan struct{}, 1)
			var receiving sync.WaitGroup
			for i := range streams {
				receive := benchmarkStream(b, conn, &pb.StreamEventsRequest{}, false)
				_, err := receive() // the stream has begun
				check(b, err)
				receiving.Go(func() {
					for {
						n, err := receive()
						if err != nil {
							return
						}
						taken[i].Add(int64(n))
						select {
						case more <- struct{}{}:
						default:
						}
					}
				})
			}
			slowest := func() int64 {
				least := taken[0].Load()
				for i := range taken {
					least = min(least, taken[i].Load())
				}
				return least
			}
			published, began := int64(0), processorTime(b)
			b.ReportAllocs()
			for b.Loop() {
				for range 65536 / 256 {
					for range 256 / 2 {
						publish()
					}
					for published += 256; published-slowest() > ahead; {
						<-more
					}
				}
			}
			events := float64(slowest()) / b.Elapsed().Seconds()
			b.ReportMetric(events, "events/s")
			b.ReportMetric(float64(processorTime(b)-began)/float64(b.N)/65536/float64(streams), "cpu-ns/delivery")
			b.ReportMetric(events*float64(streams), "deliveries/s")
			b.ReportMetric(float64(l.Missed()), "missed")
			l.Close()
			receiving.Wait()
		})
	}
}
