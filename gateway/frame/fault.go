package frame

import (
	"fmt"
	"strings"
)

// Fault is the kind of an Error.
type Fault uint8

// The faults.
const (
	TooLong        Fault = iota + 1 // the frame has more bytes than the limit
	Unended                         // the limit's bytes came, or will, without a whole delimiter or length field
	Negative                        // the frame would end before its length field does
	Overflow                        // the frame would have more bytes than an int64 can count
	Stripped                        // the frame has fewer bytes than are to be stripped
	VarintTooLong                   // the varint has more than 10 bytes
	VarintTooLarge                  // the varint has more than 63 bits
)

var faultNames = [...]string{"unknown", "too long", "unended", "negative", "overflow", "stripped", "varint too long",
	"varint too large"}

// String names the fault, for a log line or a metric.
func (f Fault) String() string {
	if int(f) < len(faultNames) {
		return faultNames[f]
	}
	return faultNames[0]
}

// Error says why a stream has no further frame. Nothing behind its position can be understood.
type Error struct {
	Format   Format
	Fault    Fault
	Length   uint64 // in the length field; 0 if no whole one came
	Size     int64  // of the frame in bytes, as far as the length tells it; else 0
	Limit    int
	Position int64 // of the frame's first byte in the stream, counted from 0; -1 if it is not known
}

func (f *Format) fail(fault Fault, limit int) error { return f.failSize(fault, 0, 0, limit) }

func (f *Format) failSize(fault Fault, length uint64, size int64, limit int) error {
	return &Error{Format: *f, Fault: fault, Length: length, Size: size, Limit: limit, Position: -1}
}

// Error names the format, the position, the announced length and the limit.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "frame of %s", e.Format)
	if e.Position >= 0 {
		fmt.Fprintf(&b, " at byte %d", e.Position)
	}
	fmt.Fprintf(&b, ": %s; at most %d bytes are allowed", e.problem(), e.Limit)
	return b.String()
}

func (e *Error) problem() string {
	switch e.Fault {
	case TooLong:
		return e.announced() + fmt.Sprintf("it has %d bytes", e.Size)
	case Unended:
		return e.unended()
	case Negative:
		return e.announced() + "it would end before its length field does"
	case Overflow:
		return e.announced() + "its end is beyond 2^63 bytes"
	case Stripped:
		return e.announced() + fmt.Sprintf("it has %d bytes, fewer than the %d to strip", e.Size, e.Format.strip)
	case VarintTooLong:
		return "its varint has more than 10 bytes"
	case VarintTooLarge:
		return "its varint has more than 63 bits"
	}
	return "it cannot be understood"
}

func (e *Error) announced() string {
	if e.Format.kind == fixedKind {
		return ""
	}
	return fmt.Sprintf("its length field says %d, so ", e.Length)
}

func (e *Error) unended() string {
	what := "length field"
	switch e.Format.kind {
	case lineKind:
		what = "line end"
	case delimiterKind:
		what = "delimiter"
	}
	return fmt.Sprintf("no whole %s in its first %d bytes", what, e.Limit)
}
