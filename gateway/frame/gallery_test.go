package frame

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// message is a frame as it comes, and its payload. A nil payload means that the frame is skipped.
type message struct{ wire, payload []byte }

func whole(text string) message { return message{unhex(text), unhex(text)} }

func part(wire, payload string) message { return message{unhex(wire), unhex(payload)} }

func chars(wire, payload string) message { return message{[]byte(wire), []byte(payload)} }

func skipped(wire string) message { return message{wire: unhex(wire)} }

// unhex reads bytes in hex with spaces between them. Text in single quotes stands for itself.
func unhex(text string) []byte {
	out := []byte{}
	for i, piece := range strings.Split(text, "'") {
		if i%2 == 1 {
			out = append(out, piece...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(piece, " ", ""))
		if err != nil {
			panic(err)
		}
		out = append(out, b...)
	}
	return out
}

// gallery has messages from the specifications of protocols.
var gallery = []struct {
	name, format string
	messages     []message
}{
	{"DNS over TCP, RFC 1035 4.2.2", "length:2", []message{
		whole("00 1d 12 34 01 00 00 01 00 00 00 00 00 00 07 'example' 03 'com' 00 00 01 00 01"),
		whole("00 21 12 35 01 00 00 01 00 00 00 00 00 00 03 'www' 07 'example' 03 'com' 00 00 1c 00 01"),
	}},
	{"DNS over TCP without its length", "length:2,strip=2", []message{
		part("00 0c 12 34 80 02 00 00 00 00 00 00 00 00", "12 34 80 02 00 00 00 00 00 00 00 00"),
		part("00 00", ""),
		part("00 01 ff", "ff"),
	}},
	{"Modbus/TCP, reading registers 6.3", "length:2,offset=4", []message{
		whole("00 01 00 00 00 06 11 03 00 6b 00 03"),
		whole("00 01 00 00 00 09 11 03 06 02 2b 00 00 00 64"),
		whole("00 02 00 00 00 03 11 83 02"),
	}},
	{"TPKT with S7, RFC 1006", "length:2,offset=2,adjust=-4", []message{
		whole("03 00 00 16 11 e0 00 00 00 01 00 c1 02 01 00 c2 02 01 02 c0 01 0a"),
		whole("03 00 00 19 02 f0 80 32 01 00 00 04 00 00 08 00 00 f0 00 00 01 00 01 01 e0"),
		whole("03 00 00 04"),
	}},
	{"GB/T 32960.3 6", "length:2,offset=22,adjust=1", []message{
		whole("'##' 01 fe 'LSVAU2180N2183294' 01 00 1e 1a 0b 1e 13 1e 05 00 01 '89860012345678901234' 01 00 c2"),
		whole("'##' 07 fe 'LSVAU2180N2183294' 01 00 00 d7"),
	}},
	{"MQTT 3.1.1", "varint,offset=1", []message{
		whole("10 10 00 04 'MQTT' 04 02 00 3c 00 04 'DIGI'"),
		whole("c0 00"),
		{publish(321), publish(321)}, // 2.2.3: 321 is c1 02
		whole("e0 00"),
	}},
	{"delimited protobuf", "varint", []message{
		whole("03 08 96 01"),
		whole("00"),
		{append(unhex("ac 02"), bytes.Repeat([]byte{8}, 300)...), append(unhex("ac 02"), bytes.Repeat([]byte{8}, 300)...)},
		whole("83 80 80 80 80 80 80 80 80 00 01 02 03"), // padded to ten bytes
	}},
	{"JT/T 808 4.2.1", "delimiter:7e", []message{
		skipped("7e"),
		part("30 7d 02 08 7d 01 55 7e", "30 7d 02 08 7d 01 55"),
		skipped("7e"),
		part("00 02 00 00 01 38 00 13 80 00 00 01 a9 7e", "00 02 00 00 01 38 00 13 80 00 00 01 a9"),
		skipped("7e"),
		skipped("7e"),
		part("00 02 00 00 01 38 00 13 80 00 00 02 aa 7e", "00 02 00 00 01 38 00 13 80 00 00 02 aa"),
	}},
	{"SMPP 3.4 3.2.2", "length:4,adjust=-4", []message{
		whole("00 00 00 2f 00 00 00 02 00 00 00 00 00 00 00 01 'SMPP3TEST' 00 'secret08' 00 'SUBMIT1' 00 00 01 01 00"),
		whole("00 00 00 10 00 00 00 15 00 00 00 00 00 00 00 02"),
	}},
	{"lines with LF", "line", []message{chars("hello\n", "hello"), chars("\n", ""), chars("a\rb\n", "a\rb")}},
	{"lines with CRLF", "line", []message{
		chars("EHLO example.com\r\n", "EHLO example.com"), chars("\r\n", ""), chars("a\r\r\n", "a\r"),
		chars("mixed\n", "mixed"),
	}},
	{"a delimiter of two bytes", "delimiter:0d0a", []message{
		chars("a\r\n", "a"), skipped("0d 0a"), chars("\r\r\n", "\r"), chars("\nb\rc\r\n", "\nb\rc"),
	}},
	{"a delimiter that overlaps itself", "delimiter:6161", []message{skipped("'aa'"), chars("baa", "b"), skipped("'aa'")}},
	{"eight bytes each", "fixed:8", []message{chars("12345678", "12345678"), chars("abcdefgh", "abcdefgh")}},
	{"one byte each", "fixed:1", []message{chars("1", "1"), chars("2", "2")}},
	{"Netty: 2 bytes at 0", "length:2", []message{whole("00 0c 'HELLO, WORLD'")}},
	{"Netty: strip", "length:2,strip=2", []message{part("00 0c 'HELLO, WORLD'", "'HELLO, WORLD'")}},
	{"Netty: whole message", "length:2,adjust=-2", []message{whole("00 0e 'HELLO, WORLD'")}},
	{"Netty: header before", "length:3,offset=2", []message{whole("ca fe 00 00 0c 'HELLO, WORLD'")}},
	{"Netty: header behind", "length:3,adjust=2", []message{whole("00 00 0c ca fe 'HELLO, WORLD'")}},
	{"Netty: between headers", "length:2,offset=1,adjust=1,strip=3",
		[]message{part("ca 00 0c fe 'HELLO, WORLD'", "fe 'HELLO, WORLD'")}},
	{"Netty: between headers, whole message", "length:2,offset=1,adjust=-3,strip=3",
		[]message{part("ca 00 10 fe 'HELLO, WORLD'", "fe 'HELLO, WORLD'")}},
	{"MySQL", "length:3,le,adjust=1", []message{whole("01 00 00 00 0e"), whole("07 00 00 00 02 'orders'")}},
	{"MongoDB", "length:4,le,adjust=-4", []message{
		whole("10 00 00 00 01 00 00 00 00 00 00 00 d4 07 00 00"), whole("11 00 00 00 02 00 00 00 00 00 00 00 dd 07 00 00 00"),
	}},
	{"one byte of length", "length:1", []message{whole("00"), whole("03 'abc'")}},
	{"eight bytes of length", "length:8,le,strip=8", []message{part("02 00 00 00 00 00 00 00 'ab'", "'ab'")}},
}

// publish returns an MQTT PUBLISH with a remaining length over 127.
func publish(remaining int) []byte {
	b := append([]byte{0x30, byte(remaining) | 0x80, byte(remaining >> 7)}, "\x00\x03a/b"...)
	return append(b, bytes.Repeat([]byte{'x'}, remaining-5)...)
}

func must(t testing.TB, text string) Format {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// collect feeds reads to a splitter and returns the payloads. It fails when the splitter holds more than it may.
func collect(t testing.TB, s *Splitter, reads ...[]byte) (payloads [][]byte, err error) {
	t.Helper()
	for _, b := range reads {
		err = s.Feed(slices.Clone(b), func(p []byte) { payloads = append(payloads, append([]byte{}, p...)) })
		if s.Held() > max(s.limit, 0) || len(s.Partial()) > 0 && len(s.Partial()) >= s.limit ||
			s.Held() > max(2*len(s.Partial()), keptBuffer) || s.Held() > 0 && len(s.Partial()) == 0 {
			t.Fatalf("%d bytes of a frame are held in %d, of a limit of %d", len(s.Partial()), s.Held(), s.limit)
		}
	}
	return payloads, err
}

func stream(messages []message) (wire []byte, payloads [][]byte) {
	for _, m := range messages {
		wire = append(wire, m.wire...)
		if m.payload != nil {
			payloads = append(payloads, m.payload)
		}
	}
	return wire, payloads
}

// single cuts bytes into reads of one byte.
func single(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 1)) }

func TestGallery(t *testing.T) {
	for _, g := range gallery {
		t.Run(g.name, func(t *testing.T) {
			f := must(t, g.format)
			wire, want := stream(g.messages)
			expect := func(reads ...[]byte) {
				t.Helper()
				s := NewSplitter(f, 1024, 0)
				got, err := collect(t, s, reads...)
				if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
					t.Fatalf("%q in %d reads: %q, %v; expected %q", wire, len(reads), got, err, want)
				}
				if s.Position() != int64(len(wire)) || s.Held() != 0 {
					t.Fatalf("position %d, %d held; expected %d and none", s.Position(), s.Held(), len(wire))
				}
			}
			expect(wire)
			expect(single(wire)...)
			for cut := range wire {
				expect(wire[:cut], wire[cut:])
			}
		})
	}
}

// TestNext takes the same messages without a splitter: none is whole before its last byte, and each tells its size.
func TestNext(t *testing.T) {
	for _, g := range gallery {
		f := must(t, g.format)
		for _, m := range g.messages {
			var s Scanner
			for n := range m.wire {
				if got, err := s.Next(f, m.wire[:n], 1024); got != (Frame{}) || err != nil {
					t.Fatalf("%s: %d bytes of %q: %+v, %v; expected more to be needed", g.name, n, m.wire, got, err)
				}
			}
			buffer := append(slices.Clone(m.wire), "the next frame"...)
			got, err := s.Next(f, buffer, 1024)
			if err != nil || got.Size != len(m.wire) || got.Skip != (m.payload == nil) ||
				!bytes.Equal(got.Payload(buffer), m.payload) {
				t.Errorf("%s: %q: %+v, %v; expected payload %q", g.name, m.wire, got, err, m.payload)
			}
			if again, err := f.Next(buffer, 1024); again != got || err != nil {
				t.Errorf("%s: %q: %+v, %v without a scanner; expected %+v", g.name, m.wire, again, err, got)
			}
		}
	}
}
