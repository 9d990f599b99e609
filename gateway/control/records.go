package control

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sockgate/sockgate/gateway/internal/contract"
)

const (
	// maxRecords is the most fields and elements of a request, in all its messages. The largest valid one has two lists of
	// 10,000 networks. Two bytes on the wire may become a hundred of memory, so more are refused before they are decoded.
	maxRecords = 3 << 13
	// fewBytes is the size in bytes up to which a request cannot have too many records.
	fewBytes = maxRecords
	// maxNesting is the most messages inside of each other.
	maxNesting = 32
)

// unmarshal decodes a request. The error is a *contract.BoundsError.
func unmarshal(b []byte, request proto.Message) error {
	err := checkRecords(b, request)
	if err == nil {
		err = proto.Unmarshal(b, request)
	}
	if err != nil {
		return &contract.BoundsError{Field: "request", Text: "it cannot be decoded: " + err.Error()}
	}
	return nil
}

// checkRecords returns an error for a message that has too many records or is malformed.
func checkRecords(b []byte, m proto.Message) error {
	if len(b) <= fewBytes {
		return nil
	}
	r := records{left: maxRecords}
	return r.count(b, m.ProtoReflect().Descriptor(), maxNesting)
}

// records counts the records of a message in its wire format (protobuf.dev/programming-guides/encoding).
type records struct{ left int }

func (r *records) count(b []byte, d protoreflect.MessageDescriptor, nesting int) error {
	if nesting == 0 {
		return fmt.Errorf("more than %d messages are inside of each other", maxNesting)
	}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		value := b[n:]
		size := protowire.ConsumeFieldValue(number, kind, value)
		if size < 0 {
			return protowire.ParseError(size)
		}
		if err := r.field(d.Fields().ByNumber(number), kind, value[:size], nesting); err != nil {
			return err
		}
		b = value[size:]
	}
	return nil
}

// field counts a field; nil: an unknown one, which stays as it is on the wire.
func (r *records) field(f protoreflect.FieldDescriptor, kind protowire.Type, value []byte, nesting int) error {
	many := 1
	inner, _ := protowire.ConsumeBytes(value)
	packed := f != nil && kind == protowire.BytesType && f.IsList() && f.IsPacked()
	if packed {
		many = len(inner)
	}
	if r.left -= many; r.left < 0 {
		return fmt.Errorf("it has more than %d fields and elements", maxRecords)
	}
	if f == nil || f.Message() == nil || kind != protowire.BytesType {
		return nil
	}
	return r.count(inner, f.Message(), nesting-1)
}
