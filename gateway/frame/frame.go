// Package frame finds the messages in the bytes that a TCP peer sends.
//
// A Format says where a frame ends. Parse reads it from text:
//
//	raw                   every read is a frame; the default
//	line                  a frame ends with LF; its payload has neither that LF nor a CR before it
//	delimiter:HEX         a frame ends with these 1 to 16 bytes; its payload does not have them; empty frames are skipped
//	fixed:N               every frame has N bytes
//	varint[,offset=N]     a protobuf varint behind N bytes counts the bytes behind itself
//	length:W[,le][,offset=N][,adjust=N][,strip=N]
//	                      an unsigned integer of W (1, 2, 3, 4 or 8) bytes behind N bytes, big-endian or le
//
// The last one is Netty's LengthFieldBasedFrameDecoder: a frame has offset + W + value + adjust bytes, and its payload
// is all of it but the first strip bytes. The payload of varint, fixed and raw is the whole frame.
//
// Format.Next is a pure function over a buffer. A Scanner does the same for a buffer that grows, and searches each byte
// once. A Splitter also keeps the bytes of a frame that has not wholly come.
//
// A frame may have at most limit bytes, with its length field and its delimiter. A length field that announces more is
// an error when it comes, before its body. A format without a length field fails when limit bytes came without an end.
// An error is of type *Error and depends on the stream only, not on the reads that it came in.
package frame

// Frame is the place of a frame in a buffer that begins with it. The zero Frame means that more bytes are needed.
type Frame struct {
	Size       int  // bytes of the buffer that the frame takes, at least 1
	Start, End int  // of the payload in the buffer
	Skip       bool // the frame carries no message: nothing stands between two delimiters
}

// Payload returns the frame's payload, which is a part of the buffer.
func (f Frame) Payload(b []byte) []byte { return b[f.Start:f.End:f.End] }
