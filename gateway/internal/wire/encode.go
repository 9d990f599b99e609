// Package wire encodes rows and events in the contract's form, straight to bytes, without a message for each.
//
// The field numbers are written out by hand. Tests of control check that every field decodes to its value.
package wire

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// begin appends the tag of a field that has a length, and one byte for that length. It returns where the field's bytes
// begin.
func begin(b []byte, field protowire.Number) ([]byte, int) {
	b = append(appendTag(b, field, protowire.BytesType), 0)
	return b, len(b)
}

// end writes the length of the bytes appended since begin. A length of 128 and more needs more bytes, and moves the
// field.
func end(b []byte, at int) []byte {
	length := len(b) - at
	if length < 1<<7 {
		b[at-1] = byte(length)
		return b
	}
	size := protowire.SizeVarint(uint64(length))
	b = append(b, make([]byte, size-1)...)
	copy(b[at-1+size:], b[at:])
	protowire.AppendVarint(b[:at-1], uint64(length))
	return b
}

// appendTag does the same as protowire.AppendTag. It is short enough for the compiler to inline if the tag has one
// byte.
func appendTag(b []byte, field protowire.Number, t protowire.Type) []byte {
	if field < 1<<4 {
		return append(b, byte(field)<<3|byte(t))
	}
	return protowire.AppendTag(b, field, t)
}

// appendUint appends a field, or nothing for the zero value. So do the functions after it, as proto3 does.
func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(appendTag(b, field, protowire.VarintType), v)
}

func appendBool(b []byte, field protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return appendUint(b, field, 1)
}

// AppendText appends a string field to b, or nothing for an empty one, and returns the longer slice. Invalid UTF-8 is
// replaced.
func AppendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return appendElement(b, field, s)
}

func appendBytes(b []byte, field protowire.Number, p []byte) []byte {
	if len(p) == 0 {
		return b
	}
	return protowire.AppendBytes(appendTag(b, field, protowire.BytesType), p)
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendSeconds(b, field, t.Unix(), t.Nanosecond())
}

func appendDuration(b []byte, field protowire.Number, d time.Duration) []byte {
	return appendSeconds(b, field, int64(d/time.Second), int(d%time.Second))
}

// appendSeconds appends a Timestamp or a Duration, which have equal fields. The zero value becomes an empty message.
func appendSeconds(b []byte, field protowire.Number, seconds int64, nanos int) []byte {
	b, at := begin(b, field)
	b = appendUint(b, 1, uint64(seconds))
	b = appendUint(b, 2, uint64(nanos))
	b[at-1] = byte(len(b) - at) // the two fields have less than 128 bytes
	return b
}

func appendList(b []byte, field protowire.Number, list []string) []byte {
	for _, s := range list {
		b = appendElement(b, field, s)
	}
	return b
}

// appendElement appends a string of a list or a map, including an empty one.
func appendElement(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(appendTag(b, field, protowire.BytesType), contract.ValidText(s))
}

func appendTexts(b []byte, field protowire.Number, texts map[string]string) []byte {
	for k, v := range texts {
		var at int
		b, at = begin(b, field)
		b = appendElement(b, 1, k)
		b = end(appendElement(b, 2, v), at)
	}
	return b
}
