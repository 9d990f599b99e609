package control

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// encodedResponse is a message of a stream as it goes over the wire. Who passes it to SendMsg keeps its own reference.
type encodedResponse struct{ buffer mem.Buffer }

// codec is gRPC's own, which besides takes messages that are encoded already: the same bytes go to many streams.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Marshal returns the wire format of a message.
func (c codec) Marshal(m any) (mem.BufferSlice, error) {
	if e, ok := m.(*encodedResponse); ok {
		e.buffer.Ref()
		return mem.BufferSlice{e.buffer}, nil
	}
	return c.CodecV2.Marshal(m)
}
