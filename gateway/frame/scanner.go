package frame

import "bytes"

// Next finds the frame that a buffer begins with. It returns the zero Frame if the frame does not end in the buffer,
// and an *Error if it cannot be one of at most limit bytes. It allocates nothing but errors. A raw frame has no limit.
//
// A caller whose buffer grows by a few bytes uses a Scanner: here each call searches the whole buffer for an end.
func (f Format) Next(b []byte, limit int) (Frame, error) {
	var s Scanner
	return s.Next(f, b, limit)
}

// Scanner finds the frame that a growing buffer begins with, and searches each byte of it once. The zero value is
// ready. It has the size of an int and owns no buffer. One goroutine at a time may use it.
type Scanner struct {
	searched int // bytes at the beginning of the buffer that no delimiter begins in
}

// Next does the same as Format.Next. Until it returns a frame or an error, the next call's buffer must have this call's
// bytes at its beginning, and format and limit must be the same. Then it is ready for the buffer behind the frame.
func (s *Scanner) Next(f Format, b []byte, limit int) (Frame, error) {
	if len(b) == 0 {
		return Frame{}, nil
	}
	switch f.kind {
	case lineKind, delimiterKind:
		return s.search(&f, b, limit)
	case fixedKind:
		return f.fixed(b, limit)
	case varintKind:
		return f.varint(b, limit)
	case lengthKind:
		return f.length(b, limit)
	}
	return Frame{Size: len(b), End: len(b)}, nil
}

// search looks for the end of a frame in the first limit bytes.
func (s *Scanner) search(f *Format, b []byte, limit int) (Frame, error) {
	within := b[:min(len(b), max(limit, 0))]
	from := s.searched
	if from > len(within) {
		from = 0 // the caller began a new buffer
	}
	at := bytes.Index(within[from:], f.end())
	switch {
	case at >= 0:
		s.searched = 0
		return f.ended(b, from+at), nil
	case len(b) >= limit:
		s.searched = 0
		return Frame{}, f.fail(Unended, limit)
	}
	s.searched = max(0, len(b)-int(f.ending)+1)
	return Frame{}, nil
}

// ended returns the frame whose delimiter stands at a place in the buffer.
func (f *Format) ended(b []byte, at int) Frame {
	found := Frame{Size: at + int(f.ending), End: at, Skip: at == 0 && f.kind == delimiterKind}
	if f.kind == lineKind && at > 0 && b[at-1] == '\r' {
		found.End--
	}
	return found
}

func (f *Format) fixed(b []byte, limit int) (Frame, error) {
	size := int(f.size)
	switch {
	case size > limit:
		return Frame{}, f.failSize(TooLong, 0, int64(size), limit)
	case len(b) < size:
		return Frame{}, nil
	}
	return Frame{Size: size, End: size}, nil
}
