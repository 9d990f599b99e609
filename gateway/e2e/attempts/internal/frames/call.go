package frames

import (
	"encoding/binary"
	"maps"
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// Call is the headers of a call.
type Call struct {
	Path  string // of the method
	Token string // of the caller; "": none
	More  []hpack.HeaderField
}

// block encodes the headers of a call. The caller holds writing.
func (c *Conn) encode(call Call) []byte {
	c.block.Reset()
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", call.Path},
		{":authority", "gateway"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		_ = c.headers.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}) // into memory
	}
	if call.Token != "" {
		_ = c.headers.WriteField(hpack.HeaderField{Name: "authorization", Value: "Bearer " + call.Token})
	}
	for _, h := range call.More {
		_ = c.headers.WriteField(h)
	}
	return c.block.Bytes()
}

// Begin opens a stream with the headers of a call, and returns its number. The call has no message yet.
func (c *Conn) Begin(call Call) (id uint32, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	id, err = c.begin(call)
	if err == nil {
		err = c.out.Flush()
	}
	return id, err
}

// begin does it without the flush. The caller holds writing.
func (c *Conn) begin(call Call) (id uint32, err error) {
	block := c.encode(call)
	id = c.next
	c.next += 2
	c.state.open(id)
	const most = 16 << 10
	part, rest := block[:min(most, len(block))], block[min(most, len(block)):]
	err = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: part, EndHeaders: len(rest) == 0})
	for err == nil && len(rest) > 0 {
		part, rest = rest[:min(most, len(rest))], rest[min(most, len(rest)):]
		err = c.framer.WriteContinuation(id, len(rest) == 0, part)
	}
	return id, err
}

// Ask makes a whole call with a small request, which has to fit into a stream's first window.
func (c *Conn) Ask(call Call, request proto.Message) (id uint32, err error) {
	return c.ask(call, Message(request))
}

// Send makes a whole call with an encoded message.
func (c *Conn) Send(call Call, message []byte) (id uint32, err error) { return c.ask(call, message) }

func (c *Conn) ask(call Call, message []byte) (id uint32, err error) {
	if err := c.state.reserve(len(message)); err != nil { // before writing is locked: the reader needs it too
		return 0, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if id, err = c.begin(call); err != nil {
		return id, err
	}
	if err = c.framer.WriteData(id, true, message); err != nil {
		return id, err
	}
	return id, c.out.Flush()
}

// Data sends as much of p on a stream as the windows allow and one frame of the given size holds, and returns how much.
// Less than 0 says that the stream has ended.
func (c *Conn) Data(id uint32, p []byte, frame int) (int, error) {
	n := c.state.take(id, min(len(p), frame))
	if n <= 0 {
		return n, nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	return n, c.framer.WriteData(id, false, p[:n]) // Flush follows
}

// Flush sends what Data has written.
func (c *Conn) Flush() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.out.Flush()
}

// Reset ends a stream from this side.
func (c *Conn) Reset(id uint32) error {
	c.state.end(id)
	return c.Write(func(f *http2.Framer) error { return f.WriteRSTStream(id, http2.ErrCodeCancel) })
}

// Room waits until fewer than most streams are open.
func (c *Conn) Room(most int) error { return c.state.room(most) }

// Open returns how many streams are open.
func (c *Conn) Open() int {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return len(c.state.streams)
}

// Changed waits until the server has given window or ended a stream since a version, or the connection is over. It
// returns the version now; 0 is before all.
func (c *Conn) Changed(since uint64) (version uint64) { return c.state.wait(since) }

// Headers encodes a call's headers for frames that the caller writes by hand.
func (c *Conn) Headers(call Call) (id uint32, block []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	id = c.next
	c.next += 2
	return id, append([]byte(nil), c.encode(call)...)
}

// Message returns a request as a message of gRPC: its length and its bytes.
func Message(request proto.Message) []byte {
	body, err := proto.Marshal(request)
	if err != nil {
		panic(err) // only requests with invalid UTF-8 cannot be encoded
	}
	return append(Announce(len(body)), body...)
}

// Announce returns the beginning of a message that has n bytes.
func Announce(n int) []byte { return binary.BigEndian.AppendUint32([]byte{0}, uint32(n)) }

// Streams returns the numbers of the open streams.
func (c *Conn) Streams() []uint32 {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return slices.Collect(maps.Keys(c.state.streams))
}
