package frame

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

type kind uint8

const (
	rawKind kind = iota
	lineKind
	delimiterKind
	fixedKind
	varintKind
	lengthKind
)

const (
	maxDelimiter = 16
	maxSetting   = 1 << 30 // of each number in a format's text; sums of them fit an int of 32 bits or an int64
)

// Format says how to find frames. The zero Format is raw. Formats can be compared with ==.
type Format struct {
	kind      kind
	little    bool
	width     uint8 // bytes of the length field
	ending    uint8 // bytes of the delimiter
	delimiter [maxDelimiter]byte
	offset    int32 // bytes before the length field
	strip     int32
	size      int32 // of every frame of the fixed kind
	adjust    int64
}

// String returns the text that Parse makes the same format from.
func (f Format) String() string {
	switch f.kind {
	case lineKind:
		return "line"
	case delimiterKind:
		return "delimiter:" + hex.EncodeToString(f.end())
	case fixedKind:
		return "fixed:" + strconv.Itoa(int(f.size))
	case varintKind:
		return "varint" + f.options()
	case lengthKind:
		return "length:" + strconv.Itoa(int(f.width)) + f.options()
	}
	return "raw"
}

func (f Format) options() string {
	var b strings.Builder
	if f.little {
		b.WriteString(",le")
	}
	for _, o := range []struct {
		name  string
		value int64
	}{{"offset", int64(f.offset)}, {"adjust", f.adjust}, {"strip", int64(f.strip)}} {
		if o.value != 0 {
			fmt.Fprintf(&b, ",%s=%d", o.name, o.value)
		}
	}
	return b.String()
}

// Fits returns an error if every frame of the format has more than limit bytes.
func (f Format) Fits(limit int) error {
	if least := f.least(); least > int64(limit) {
		return fmt.Errorf("a frame of %s has at least %d bytes; at most %d are allowed", f, least, limit)
	}
	return nil
}

// least returns the bytes of the shortest frame, and 0 for raw, which has no limit.
func (f *Format) least() int64 {
	switch f.kind {
	case lineKind, delimiterKind:
		return int64(f.ending)
	case fixedKind:
		return int64(f.size)
	case varintKind:
		return int64(f.offset) + 1
	case lengthKind:
		return max(int64(f.offset)+int64(f.width)+max(f.adjust, 0), int64(f.strip))
	}
	return 0
}

// end returns the bytes that end a frame of the line and delimiter kinds.
func (f *Format) end() []byte { return f.delimiter[:f.ending] }
