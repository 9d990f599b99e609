package frame

import "errors"

const (
	leastBuffer = 64
	keptBuffer  = 1 << 10 // a buffer of at most this many bytes serves the next frame, too, if that one is cut
)

// Splitter cuts the stream of one connection into frames. It owns a buffer only while a part of a frame has come, of at
// most limit bytes and at most twice as many as came, or 1 KiB. One goroutine at a time may use it: the one that
// receives the connection's bytes.
type Splitter struct {
	format   Format
	limit    int
	scanner  Scanner
	position int64
	partial  []byte
	whole    []byte // during a call of each
	err      error
}

// NewSplitter makes a splitter for a stream whose next byte has a position. A new connection's is 0.
func NewSplitter(f Format, limit int, position int64) *Splitter {
	return &Splitter{format: f, limit: limit, position: position}
}

// Feed takes bytes as they were read, and calls each for the payload of every frame that is whole by now. The payload
// is valid during that call only; each must not call Feed. After an error the splitter takes no more bytes, and every
// call returns the same error: the connection can only be closed. Frames before the error were delivered.
func (s *Splitter) Feed(b []byte, each func(payload []byte)) error {
	for s.err == nil && len(b) > 0 {
		if len(s.partial) > 0 {
			b = s.extend(b, each)
		} else {
			b = s.cut(b, each)
		}
	}
	if len(s.partial) == 0 {
		s.partial = nil
	}
	return s.err
}

// Position returns the position behind the last whole frame. During a call of each, that frame is its argument's.
func (s *Splitter) Position() int64 { return s.position }

// Whole returns the frame whose payload is the argument of each, with its header and delimiter. It is valid during that
// call only.
func (s *Splitter) Whole() []byte { return s.whole }

// Partial returns the bytes that came of a frame that is not whole. They are valid until the next Feed. A splitter of
// the same format, limit and position that is fed with them continues the stream.
func (s *Splitter) Partial() []byte { return s.partial }

// Held returns the bytes of memory that the partial frame holds, which may be more than came of it.
func (s *Splitter) Held() int { return cap(s.partial) }

// cut takes one frame from a read, or keeps the read's rest when it has no whole one.
func (s *Splitter) cut(b []byte, each func([]byte)) (rest []byte) {
	found, err := s.scanner.Next(s.format, b, s.limit)
	switch {
	case err != nil:
		return s.fail(err)
	case found.Size == 0:
		s.hold(b)
		return nil
	}
	s.deliver(found, b, each)
	return b[found.Size:]
}

// extend adds bytes of a read to the partial frame. It copies at most as many as the frame has already, or 64, because
// it does not know how many are the next frame's.
func (s *Splitter) extend(b []byte, each func([]byte)) (rest []byte) {
	had := len(s.partial)
	n := min(len(b), max(had, leastBuffer), s.limit-had)
	s.grow(had + n)
	s.partial = append(s.partial, b[:n]...)
	found, err := s.scanner.Next(s.format, s.partial, s.limit)
	switch {
	case err != nil:
		return s.fail(err)
	case found.Size == 0:
		return b[n:]
	}
	whole := s.partial
	s.partial = whole[:0]
	s.deliver(found, whole, each)
	return b[found.Size-had:]
}

func (s *Splitter) deliver(f Frame, b []byte, each func([]byte)) {
	s.position += int64(f.Size)
	if !f.Skip {
		s.whole = b[:f.Size:f.Size]
		each(f.Payload(b))
		s.whole = nil
	}
}

// hold keeps the beginning of a frame. A large buffer of the frame before is let go.
func (s *Splitter) hold(b []byte) {
	if cap(s.partial) > keptBuffer {
		s.partial = nil
	}
	s.grow(len(b))
	s.partial = append(s.partial, b...)
}

// grow makes room for the partial frame, at least twice as much as there was, so that all copies together are linear.
func (s *Splitter) grow(need int) {
	if need <= cap(s.partial) {
		return
	}
	size := min(max(need, 2*cap(s.partial), leastBuffer), s.limit)
	s.partial = append(make([]byte, 0, size), s.partial...)
}

func (s *Splitter) fail(err error) (rest []byte) {
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Position = s.position
	}
	s.err, s.partial = err, nil
	return nil
}
