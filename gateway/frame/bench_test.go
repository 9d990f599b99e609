package frame

import (
	"bytes"
	"testing"
)

// BenchmarkFrames splits reads of 256 frames of 64 bytes.
func BenchmarkFrames(b *testing.B) {
	body := func(header, end string) []byte {
		return []byte(header + string(bytes.Repeat([]byte{'x'}, 64-len(header)-len(end))) + end)
	}
	for _, c := range []struct {
		format string
		frame  []byte
	}{
		{"raw", body("", "")},
		{"line", body("", "\r\n")},
		{"delimiter:7e", body("", "~")},
		{"delimiter:0d0a", body("", "\r\n")},
		{"fixed:64", body("", "")},
		{"varint", body("\x3f", "")},
		{"varint,offset=1", body("\x30\x3e", "")},
		{"length:2", body("\x00\x3e", "")},
		{"length:4,adjust=-4,strip=4", body("\x00\x00\x00\x40", "")},
		{"length:8,le", body("\x38\x00\x00\x00\x00\x00\x00\x00", "")},
	} {
		b.Run(c.format, func(b *testing.B) { benchmark(b, c.format, c.frame, 0) })
		b.Run(c.format+" cut", func(b *testing.B) { benchmark(b, c.format, c.frame, len(c.frame)/2) })
	}
}

// benchmark splits reads of 256 frames. All reads are cut at a place in a frame.
func benchmark(b *testing.B, text string, frame []byte, cut int) {
	const frames = 256
	s := NewSplitter(must(b, text), 65536, 0)
	stream := bytes.Repeat(frame, frames+1)
	read := stream[cut : cut+frames*len(frame)]
	got := 0
	each := func([]byte) { got++ }
	if err := s.Feed(stream[:cut], each); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(read)))
	for b.Loop() {
		if err := s.Feed(read, each); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
	if s.format.kind != rawKind && got < b.N*frames {
		b.Fatalf("%d frames of %d", got, b.N*frames)
	}
}

// BenchmarkByteByByte takes one frame of 64 KiB in reads of one byte.
func BenchmarkByteByByte(b *testing.B) {
	for text, wire := range map[string][]byte{
		"line":     append(bytes.Repeat([]byte{'x'}, 65535), '\n'),
		"length:2": append([]byte{0xff, 0xfe}, make([]byte, 65534)...),
	} {
		b.Run(text, func(b *testing.B) {
			s := NewSplitter(must(b, text), 65536, 0)
			b.SetBytes(int64(len(wire)))
			for b.Loop() {
				for i := range wire {
					if err := s.Feed(wire[i:i+1], func([]byte) {}); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
