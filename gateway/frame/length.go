package frame

import "math"

const maxVarint = 10 // bytes

// length finds a frame by its length field.
func (f *Format) length(b []byte, limit int) (Frame, error) {
	start, end := int(f.offset), int(f.offset)+int(f.width)
	switch {
	case end > limit:
		return Frame{}, f.fail(Unended, limit)
	case len(b) < end:
		return Frame{}, nil
	}
	return f.sized(f.integer(b[start:end]), end, b, limit)
}

// integer reads a length field.
func (f *Format) integer(field []byte) (n uint64) {
	if f.little {
		for i := len(field) - 1; i >= 0; i-- {
			n = n<<8 | uint64(field[i])
		}
		return n
	}
	for _, c := range field {
		n = n<<8 | uint64(c)
	}
	return n
}

// varint finds a frame by its varint, which must end in the first limit bytes.
func (f *Format) varint(b []byte, limit int) (Frame, error) {
	start, within := int(f.offset), min(len(b), max(limit, 0))
	if start < within {
		n, size, fault := uvarint(b[start:within])
		switch {
		case fault != 0:
			return Frame{}, f.fail(fault, limit)
		case size > 0:
			return f.sized(n, start+size, b, limit)
		}
	}
	if len(b) >= limit || start >= limit {
		return Frame{}, f.fail(Unended, limit)
	}
	return Frame{}, nil
}

// uvarint reads a varint and its size, which is 0 if the varint has not wholly come. The tenth byte can only be a zero:
// it has bits from the 64th on.
func uvarint(b []byte) (n uint64, size int, fault Fault) {
	for i, c := range b[:min(len(b), maxVarint)] {
		switch {
		case i == maxVarint-1 && c >= 0x80:
			return 0, 0, VarintTooLong
		case i == maxVarint-1 && c > 0:
			return 0, 0, VarintTooLarge
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return n, i + 1, 0
		}
	}
	return 0, 0, 0
}

// sized finds the frame whose length field has a value and ends at a place in the buffer. No sum in it overflows.
func (f *Format) sized(value uint64, end int, b []byte, limit int) (Frame, error) {
	room := math.MaxInt64 - max(f.adjust, 0) - int64(end)
	if room < 0 || value > uint64(room) {
		return Frame{}, f.failSize(Overflow, value, 0, limit)
	}
	body := int64(value) + f.adjust
	size := int64(end) + body
	switch {
	case body < 0:
		return Frame{}, f.failSize(Negative, value, size, limit)
	case size > int64(limit):
		return Frame{}, f.failSize(TooLong, value, size, limit)
	case size < int64(f.strip):
		return Frame{}, f.failSize(Stripped, value, size, limit)
	case int64(len(b)) < size:
		return Frame{}, nil
	}
	return Frame{Size: int(size), Start: int(f.strip), End: int(size)}, nil
}
