package frame

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

// faults has streams whose last frame is wrong at a position. Every byte of them is needed to know it.
var faults = []struct {
	name, format string
	limit        int
	wire         []byte
	position     int64
	fault        Fault
	says         string
}{
	{"a length over the limit", "length:4", 65536, unhex("00 00 00 01 'a' ff ff ff ff"), 5, TooLong,
		"frame of length:4 at byte 5: its length field says 4294967295, so it has 4294967299 bytes; at most 65536 bytes " +
			"are allowed"},
	{"one byte over the limit", "length:2", 16, unhex("00 0f"), 0, TooLong, "says 15, so it has 17 bytes; at most 16"},
	{"a large adjust", "length:1,adjust=100", 50, unhex("00"), 0, TooLong, "says 0, so it has 101 bytes; at most 50"},
	{"a varint over the limit", "varint,offset=1", 1024, unhex("c0 00 30 ff ff ff 7f"), 2, TooLong,
		"frame of varint,offset=1 at byte 2: its length field says 268435455, so it has 268435460 bytes; at most 1024"},
	{"fixed", "fixed:9", 8, unhex("00"), 0, TooLong, "frame of fixed:9 at byte 0: it has 9 bytes; at most 8 bytes"},
	{"a long line", "line", 8, []byte("1234567\n12345678"), 8, Unended,
		"frame of line at byte 8: no whole line end in its first 8 bytes; at most 8 bytes are allowed"},
	{"half a delimiter", "delimiter:0d0a", 4, []byte("ab\r\nabc\r"), 4, Unended,
		"no whole delimiter in its first 4 bytes"},
	{"a field behind the limit", "length:4,offset=14", 17, unhex("00"), 0, Unended,
		"no whole length field in its first 17 bytes"},
	{"a varint behind the limit", "varint,offset=14", 14, unhex("00"), 0, Unended, "no whole length field"},
	{"a padded varint", "varint", 4, unhex("80 80 80 80"), 0, Unended, "no whole length field in its first 4 bytes"},
	{"shorter than its field", "length:4,adjust=-4", 65536, unhex("00 00 00 03"), 0, Negative,
		"its length field says 3, so it would end before its length field does; at most 65536"},
	{"adjust near the smallest", "length:8,adjust=-9223372036854775807", 65536, unhex("00 00 00 00 00 00 00 00"), 0,
		Negative, "its length field says 0, so it would end"},
	{"the largest length", "length:8", math.MaxInt, unhex("ff ff ff ff ff ff ff ff"), 0, Overflow,
		"its length field says 18446744073709551615, so its end is beyond 2^63 bytes; at most "},
	{"the smallest negative length", "length:8,le", 65536, unhex("00 00 00 00 00 00 00 80"), 0, Overflow,
		"says 9223372036854775808"},
	{"a sum over 63 bits", "length:8,offset=1,adjust=1", math.MaxInt, unhex("00 7f ff ff ff ff ff ff f6"), 0, Overflow,
		"says 9223372036854775798"},
	{"the largest sum", "length:8,adjust=1", 65536, unhex("7f ff ff ff ff ff ff f6"), 0, TooLong,
		"says 9223372036854775798, so it has 9223372036854775807 bytes"},
	{"the largest varint", "varint", math.MaxInt, unhex("ff ff ff ff ff ff ff ff 7f"), 0, Overflow,
		"says 9223372036854775807"},
	{"a varint of 64 bits", "varint", 65536, unhex("ff ff ff ff ff ff ff ff ff 01"), 0, VarintTooLarge,
		"its varint has more than 63 bits"},
	{"a varint of eleven bytes", "varint", 65536, unhex("00 80 80 80 80 80 80 80 80 80 80"), 1, VarintTooLong,
		"frame of varint at byte 1: its varint has more than 10 bytes; at most 65536 bytes are allowed"},
	{"shorter than strip", "length:2,strip=6", 65536, unhex("00 04 'abcd' 00 03"), 6, Stripped,
		"its length field says 3, so it has 5 bytes, fewer than the 6 to strip"},
	{"no limit", "line", 0, []byte("a"), 0, Unended, "at most 0 bytes"},
	{"a negative limit", "varint", -1, []byte("a"), 0, Unended, "at most -1 bytes"},
}

// TestFaults checks that the error comes with the byte that makes it certain, and is the same however the stream is
// cut.
func TestFaults(t *testing.T) {
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			f := must(t, c.format)
			expect := func(reads ...[]byte) {
				t.Helper()
				s := NewSplitter(f, c.limit, 0)
				_, err := collect(t, s, reads...)
				var e *Error
				if !errors.As(err, &e) || e.Fault != c.fault || e.Position != c.position || e.Limit != c.limit ||
					e.Format != f || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("%d reads: %v; expected %s at %d: %s", len(reads), err, c.fault, c.position, c.says)
				}
				if again := s.Feed([]byte("more"), func([]byte) { t.Error("a frame behind an error") }); again != err {
					t.Fatalf("%v, and then %v", err, again)
				}
				if s.Held() != 0 || s.Position() != c.position {
					t.Fatalf("%d bytes held at %d after an error", s.Held(), s.Position())
				}
			}
			expect(c.wire)
			expect(append(bytes.Clone(c.wire), "more"...))
			expect(single(c.wire)...)
			for cut := range c.wire {
				expect(c.wire[:cut], c.wire[cut:])
			}
			s := NewSplitter(f, c.limit, 0)
			if _, err := collect(t, s, c.wire[:len(c.wire)-1]); err != nil {
				t.Fatalf("one byte before: %v", err)
			}
		})
	}
}

// TestErrorWithoutPosition checks the error of a caller that knows no position.
func TestErrorWithoutPosition(t *testing.T) {
	_, err := must(t, "length:1").Next([]byte{200}, 100)
	if want := "frame of length:1: its length field says 200, so it has 201 bytes; at most 100 bytes are allowed"; err ==
		nil || err.Error() != want {
		t.Errorf("%v; expected %s", err, want)
	}
}

// TestLimitIsReached takes frames of exactly the limit.
func TestLimitIsReached(t *testing.T) {
	for text, wire := range map[string]string{"line": "12345678901\r\n", "delimiter:3b": "123456789012;",
		"fixed:13": "1234567890123", "length:1": "\x0c123456789012", "varint": "\x0c123456789012"} {
		if got, err := collect(t, NewSplitter(must(t, text), 13, 0), single([]byte(wire))...); err != nil || len(got) != 1 {
			t.Errorf("%s: %q, %v; expected a frame of the limit", text, got, err)
		}
	}
}

// TestAdjustIsChecked decodes settings that Parse refuses: no sum overflows.
func TestAdjustIsChecked(t *testing.T) {
	for _, adjust := range []int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 7, math.MaxInt64} {
		for _, field := range []string{"00 00 00 00 00 00 00 00", "7f ff ff ff ff ff ff ff", "ff ff ff ff ff ff ff ff"} {
			f := Format{kind: lengthKind, width: 8, adjust: adjust}
			got, err := f.Next(unhex(field), 4096)
			if err == nil && got.Size != 8 || adjust > 0 && (err == nil || err.(*Error).Fault != Overflow) {
				t.Errorf("adjust=%d of %s: %+v, %v", adjust, field, got, err)
			}
		}
	}
}

func TestFaultNames(t *testing.T) {
	seen := map[string]bool{}
	for f := range VarintTooLarge + 1 {
		seen[f.String()] = true
	}
	if len(seen) != len(faultNames) || Fault(200).String() != "unknown" {
		t.Errorf("%v", seen)
	}
}
