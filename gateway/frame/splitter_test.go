package frame

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestRaw checks that every read is a frame, however long.
func TestRaw(t *testing.T) {
	s := NewSplitter(Format{}, 1, 0)
	got, err := collect(t, s, []byte("one"), nil, []byte("two"))
	if err != nil || !slices.EqualFunc(got, [][]byte{[]byte("one"), []byte("two")}, bytes.Equal) || s.Position() != 6 {
		t.Errorf("%q, %v at %d", got, err, s.Position())
	}
}

// TestPosition checks that a frame's position is the end of it in the stream, also when frames are skipped.
func TestPosition(t *testing.T) {
	s := NewSplitter(must(t, "delimiter:7e"), 64, 1000)
	var ends []int64
	for _, b := range single([]byte("~a~~bc~~~d~e")) {
		if err := s.Feed(b, func([]byte) { ends = append(ends, s.Position()) }); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int64{1003, 1007, 1011}; !slices.Equal(ends, want) || s.Position() != 1011 {
		t.Errorf("ends %d, then %d; expected %d", ends, s.Position(), want)
	}
}

// TestContinue hands the partial frame of a splitter to another one.
func TestContinue(t *testing.T) {
	wire := []byte("first\nsecond\nthird\n")
	for cut := range wire {
		old := NewSplitter(must(t, "line"), 64, 0)
		got, err := collect(t, old, wire[:cut])
		next := NewSplitter(must(t, "line"), 64, old.Position())
		more, errMore := collect(t, next, old.Partial(), wire[cut:])
		all := slices.Concat(got, more)
		if err != nil || errMore != nil || !bytes.Equal(bytes.Join(all, []byte("\n")), []byte("first\nsecond\nthird")) ||
			next.Position() != int64(len(wire)) {
			t.Errorf("cut at %d: %q, %v, %v", cut, all, err, errMore)
		}
	}
}

// TestIdleConnectionOwnsNoBuffer checks that a large frame leaves no buffer behind, alone or in front of a small part.
func TestIdleConnectionOwnsNoBuffer(t *testing.T) {
	large := append(bytes.Repeat([]byte{'x'}, 60000), '\n')
	for rest, most := range map[string]int{"": 0, "y": leastBuffer} {
		s := NewSplitter(must(t, "line"), 65536, 0)
		if _, err := collect(t, s, large[:30000], append(slices.Clone(large[30000:]), rest...)); err != nil {
			t.Fatal(err)
		}
		if s.Held() > most {
			t.Errorf("%d bytes held for %q; expected at most %d", s.Held(), rest, most)
		}
	}
}

// TestCopiesStayInTheLimit completes a frame of the limit from a read that has more, and is cut itself.
func TestCopiesStayInTheLimit(t *testing.T) {
	s, wire := NewSplitter(must(t, "fixed:100"), 100, 0), make([]byte, 190)
	if got, err := collect(t, s, wire[:90], wire[90:]); err != nil || len(got) != 1 || s.Held() > 100 {
		t.Errorf("%d frames, %v, %d bytes held; expected 1 and at most 100", len(got), err, s.Held())
	}
}

// TestEachByteIsSearchedOnce holds that a frame that comes byte by byte costs linear time: a call looks at the new
// byte, and again at those only that may begin a delimiter.
func TestEachByteIsSearchedOnce(t *testing.T) {
	for _, text := range []string{"line", "delimiter:7e", "delimiter:0d0a0d0a"} {
		var s Scanner
		f, b := must(t, text), bytes.Repeat([]byte{'\r'}, 65535)
		for n := range b {
			if found, err := s.Next(f, b[:n], 65536); found != (Frame{}) || err != nil || s.searched < n-int(f.ending)+1 {
				t.Fatalf("%s: %d bytes: %+v, %v, and %d were searched", text, n, found, err, s.searched)
			}
		}
	}
}

// TestCopiesAreLinear counts the buffers of a frame that comes byte by byte: each is twice as large as the one before.
func TestCopiesAreLinear(t *testing.T) {
	wire, grown, held := append(unhex("ff fd"), make([]byte, 65533)...), 0, 0
	s := NewSplitter(must(t, "length:2"), 65536, 0)
	for _, b := range single(wire[:len(wire)-1]) {
		if err := s.Feed(b, nil); err != nil {
			t.Fatal(err)
		}
		if s.Held() != held {
			grown, held = grown+1, s.Held()
		}
	}
	if grown > 11 {
		t.Errorf("%d buffers for 64 KiB; expected at most 11", grown)
	}
}

// TestNothingIsAllocated checks whole frames, and small frames that every read cuts.
func TestNothingIsAllocated(t *testing.T) {
	for _, g := range gallery {
		wire, _ := stream(g.messages)
		cut := len(wire) - 1
		turned := slices.Concat(wire[cut:], wire[:cut])
		for name, reads := range map[string][2][]byte{"whole": {wire, wire}, "cut": {wire[:cut], turned}} {
			s := NewSplitter(must(t, g.format), 65536, 0)
			feed := func(b []byte) {
				if err := s.Feed(b, func([]byte) {}); err != nil {
					t.Fatal(err)
				}
			}
			feed(reads[0])
			if n := testing.AllocsPerRun(10, func() { feed(reads[1]) }); n > 0 {
				t.Errorf("%s: %v allocations of %s frames", g.name, n, name)
			}
		}
	}
}

// TestMessages encodes random messages in a random format, cuts the stream anywhere, and expects them back.
func TestMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, encode := drawFormat(t)
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var wire []byte
		var want [][]byte
		for range rapid.IntRange(0, 8).Draw(t, "messages") {
			frame, payload := encode(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "message"))
			wire = append(wire, frame...)
			if f.kind != delimiterKind || len(payload) > 0 {
				want = append(want, payload)
			}
		}
		var reads [][]byte
		for rest := wire; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "read")
			reads, rest = append(reads, rest[:n]), rest[n:]
		}
		s := NewSplitter(f, 1024, 0)
		var got [][]byte
		for _, b := range reads {
			if err := s.Feed(b, func(p []byte) { got = append(got, bytes.Clone(p)) }); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if !slices.EqualFunc(got, want, bytes.Equal) || s.Held() != 0 || s.Position() != int64(len(wire)) {
			t.Fatalf("%s: %q; expected %q", text, got, want)
		}
	})
}

// encoder makes a frame of a message, and the payload that a splitter must find.
type encoder func(message []byte) (frame, payload []byte)

func drawFormat(t *rapid.T) (text string, encode encoder) {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return "line", func(m []byte) ([]byte, []byte) {
			m = bytes.ReplaceAll(bytes.ReplaceAll(m, []byte("\n"), nil), []byte("\r"), nil)
			return append(slices.Clone(m), rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")...), m
		}
	case 1:
		return "delimiter:7e7f", func(m []byte) ([]byte, []byte) {
			m = bytes.ReplaceAll(m, []byte{0x7e}, []byte{0x7d, 2})
			return append(slices.Clone(m), 0x7e, 0x7f), m
		}
	case 2:
		return "fixed:300", func(m []byte) ([]byte, []byte) {
			m = append(slices.Clone(m), make([]byte, 300-len(m))...)
			return m, m
		}
	case 3:
		f := Format{kind: varintKind, offset: rapid.Int32Range(0, 9).Draw(t, "offset")}
		return f.String(), func(m []byte) ([]byte, []byte) {
			frame := append(binary.AppendUvarint(make([]byte, f.offset), uint64(len(m))), m...)
			return frame, frame
		}
	}
	return drawLength(t)
}

// drawLength draws a length field that counts as its adjust says.
func drawLength(t *rapid.T) (text string, encode encoder) {
	f := Format{kind: lengthKind, width: rapid.SampledFrom([]uint8{2, 3, 4, 8}).Draw(t, "width"),
		little: rapid.Bool().Draw(t, "le"), offset: rapid.Int32Range(0, 9).Draw(t, "offset")}
	header := f.offset + int32(f.width)
	behind := rapid.Int32Range(0, 9).Draw(t, "behind") // bytes of a header that the length does not count
	f.adjust = int64(behind)
	if rapid.Bool().Draw(t, "whole") { // the length counts the whole frame
		f.adjust = -int64(header)
	}
	f.strip = rapid.Int32Range(0, header+behind).Draw(t, "strip")
	return f.String(), func(m []byte) ([]byte, []byte) {
		frame := append(make([]byte, header+behind), m...)
		field := binary.BigEndian.AppendUint64(nil, uint64(int64(len(frame))-int64(header)-f.adjust))[8-f.width:]
		if f.little {
			slices.Reverse(field)
		}
		copy(frame[f.offset:], field)
		return frame, frame[f.strip:]
	}
}

// FuzzSplit holds for any format, limit, bytes and reads: the reads do not change the frames, the end or the error;
// each frame takes at least a byte and at most the limit; no more than the limit is held.
func FuzzSplit(f *testing.F) {
	for _, g := range gallery {
		wire, _ := stream(g.messages)
		f.Add(g.format, uint16(1024), wire, []byte{1, 2, 3})
	}
	for _, c := range faults {
		f.Add(c.format, uint16(min(max(c.limit, 0), 65535)), c.wire, []byte{5, 1})
	}
	f.Fuzz(func(t *testing.T, text string, limit uint16, wire, cuts []byte) {
		format, err := Parse(text)
		if err != nil || format.kind == rawKind {
			return
		}
		want, end, fault := walk(t, format, wire, int(limit))
		for _, reads := range [][][]byte{{wire}, single(wire), cut(wire, cuts)} {
			s := NewSplitter(format, int(limit), 0)
			got, err := collect(t, s, reads...)
			if !slices.EqualFunc(got, want, bytes.Equal) || s.Position() != end || said(err) != said(fault) {
				t.Fatalf("%s of %q in %d reads: %q, %v, at %d; expected %q, %v, at %d", format, wire, len(reads), got, err,
					s.Position(), want, fault, end)
			}
			if err == nil && !bytes.Equal(s.Partial(), wire[end:]) {
				t.Fatalf("%s of %q: %q is partial; expected %q", format, wire, s.Partial(), wire[end:])
			}
		}
	})
}

// walk finds the frames of a whole stream without a splitter.
func walk(t *testing.T, f Format, wire []byte, limit int) (payloads [][]byte, end int64, fault error) {
	for {
		b := wire[end:]
		found, err := f.Next(b, limit)
		if e, ok := err.(*Error); ok {
			e.Position = end
			return payloads, end, e
		}
		if found == (Frame{}) {
			return payloads, end, nil
		}
		if found.Size < 1 || found.Size > limit || found.Size > len(b) || found.Start > found.End || found.End > found.Size {
			t.Fatalf("%s: %+v of %d bytes, at most %d", f, found, len(b), limit)
		}
		if !found.Skip {
			payloads = append(payloads, found.Payload(b))
		}
		end += int64(found.Size)
	}
}

// cut makes reads of the given sizes, and one of the rest.
func cut(wire, sizes []byte) (reads [][]byte) {
	for _, size := range sizes {
		n := min(int(size), len(wire))
		reads, wire = append(reads, wire[:n]), wire[n:]
	}
	return append(reads, wire)
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
