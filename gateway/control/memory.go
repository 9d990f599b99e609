package control

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// decodedCost is how many times the size of a message its decoded form may take, beyond payloads; see records.
const decodedCost = 4

// heldStream receives and sends messages within the memory for calls.
type heldStream struct {
	grpc.ServerStream
	call *auth.Call
	work *turn.Work
	two  bool // the client sends more than one message
}

// holdMemory is the interceptor that makes a call wait for room: for its request before it is received, and for each
// message before it is sent. Messages are decoded and encoded in turns of the caller.
func (l *Local) holdMemory(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	ctx := stream.Context()
	if info.FullMethod == pb.HandlerService_Attach_FullMethodName {
		return handler(service, stream) // a lane has memory of its own
	}
	return handler(service, &heldStream{ServerStream: stream, call: auth.CallOf(ctx), work: turn.Of(ctx),
		two: info.IsClientStream})
}

// RecvMsg receives a message once there is room for the largest. It returns in a turn. The error for a message that
// cannot be decoded is a *contract.BoundsError.
func (s *heldStream) RecvMsg(m any) error {
	s.work.End()
	r := received{message: m.(proto.Message)}
	err := s.call.Receive(s.Context(), maxReceive, s.two, func() (int64, error) {
		err := s.ServerStream.RecvMsg(&r)
		return r.size + (decodedCost-1)*min(r.size, maxDecoded), err
	})
	if err == nil {
		s.work.Do(func() { err = r.decode() })
	}
	s.work.Begin()
	return err
}

// maxDecoded is the size of the largest message that is more than a payload.
const maxDecoded = 384 << 10

// sendTime is what it costs gRPC to send a small message, in this goroutine and the one that writes. It is an estimate.
// Sending is not done in the turn, because it may wait for the client.
const sendTime = 20 * time.Microsecond

// SendMsg sends a message once there is room for it.
func (s *heldStream) SendMsg(m any) error {
	s.work.Begin()
	b, err := encode(m)
	s.work.Charge(sendTime)
	s.work.End()
	if err != nil {
		return err
	}
	if b, err = s.call.Owe(s.Context(), b); err != nil {
		return err
	}
	defer b.Free()
	return s.ServerStream.SendMsg(&encodedResponse{b})
}

// encode returns a message's wire format, with a reference of its own.
func encode(m any) (mem.Buffer, error) {
	if e, ok := m.(*encodedResponse); ok {
		e.buffer.Ref()
		return e.buffer, nil
	}
	b, err := proto.Marshal(m.(proto.Message))
	return mem.SliceBuffer(b), err
}

// encodedResponse is an encoded message of a stream. The caller of SendMsg keeps its own reference.
type encodedResponse struct{ buffer mem.Buffer }

// received is a message that was received and is not decoded yet. gRPC would answer a failed decoding with an error of
// its own.
type received struct {
	message proto.Message
	wire    mem.Buffer
	size    int64 // in bytes, on the wire
}

// decode decodes the message, once. The error is a *contract.BoundsError.
func (r *received) decode() error {
	defer r.wire.Free()
	return unmarshal(r.wire.ReadOnlyData(), r.message)
}

// codec is gRPC's own codec, which here also takes messages that are encoded already, so that the same bytes can go to
// many streams.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(protocodec.Name)} }

// Marshal returns the wire format of a message.
func (c codec) Marshal(m any) (mem.BufferSlice, error) {
	if e, ok := m.(*encodedResponse); ok {
		e.buffer.Ref()
		return mem.BufferSlice{e.buffer}, nil
	}
	return c.CodecV2.Marshal(m)
}

// Unmarshal decodes a message, or leaves it as it is for received.
func (c codec) Unmarshal(data mem.BufferSlice, m any) error {
	r, ok := m.(*received)
	if !ok {
		return c.CodecV2.Unmarshal(data, m)
	}
	r.wire = data.MaterializeToBuffer(mem.DefaultBufferPool())
	r.size = int64(r.wire.Len())
	return nil
}
