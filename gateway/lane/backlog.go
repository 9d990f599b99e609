package lane

import "sync"

const (
	// frameCost is what a frame costs in a window beside its bytes: the memory of its mark. Without it a peer could make
	// the gateway keep sixteen times its bytes, as empty frames.
	frameCost = 16
	// keptBuffer is the largest buffer that is used again. A larger one would stay in the pool for small messages.
	keptBuffer = 4 << 10
)

// backlog has the bytes of one connection that are received and not acknowledged. It is made for the first byte and
// given back when the last is acknowledged: an idle connection has none. The owner's lock guards it.
type backlog struct {
	bytes  []byte // payload; from head on it is not acknowledged
	head   int
	sent   int    // payload before it is delivered
	marks  []mark // from first on the frames of bytes[head:]; unused without framing
	first  int
	out    int // marks before it are delivered
	framed bool
	start  uint64 // position of bytes[head]; with framing, of the last acknowledged frame's end
	end    uint64 // position at the end of bytes
	since  int64  // coarse time when the oldest byte came, or when something was last acknowledged
}

// mark is one frame.
type mark struct {
	end  uint64 // position behind it
	size uint32 // bytes of payload
}

var backlogs = sync.Pool{New: func() any { return new(backlog) }}

// newBacklog returns an empty backlog that begins at a position.
func newBacklog(framed bool, position uint64, now int64) *backlog {
	b := backlogs.Get().(*backlog)
	b.framed, b.start, b.end, b.since = framed, position, position, now
	return b
}

// free gives the backlog back. The caller forgets it.
func (b *backlog) free() {
	kept := backlog{bytes: b.bytes[:0], marks: b.marks[:0]}
	if cap(b.bytes) > keptBuffer {
		kept.bytes = nil
	}
	if cap(b.marks)*frameCost > keptBuffer {
		kept.marks = nil
	}
	*b = kept
	backlogs.Put(b)
}

// add appends what one call of Handler.Data brought. Position is behind it.
func (b *backlog) add(p []byte, position uint64) {
	if b.head > 0 && len(b.bytes)+len(p) > cap(b.bytes) && b.head >= len(b.bytes)/2 {
		b.compact()
	}
	b.bytes = append(b.bytes, p...)
	b.end = position
	if b.framed {
		b.mark(mark{end: position, size: uint32(len(p))})
	}
}

func (b *backlog) mark(m mark) {
	if len(b.marks) == cap(b.marks) && b.first > 0 && b.first >= len(b.marks)/2 {
		n := copy(b.marks, b.marks[b.first:])
		b.marks, b.out, b.first = b.marks[:n], b.out-b.first, 0
	}
	b.marks = append(b.marks, m)
}

// compact moves the bytes to the front of the buffer.
func (b *backlog) compact() {
	n := copy(b.bytes, b.bytes[b.head:])
	b.bytes, b.sent, b.head = b.bytes[:n], b.sent-b.head, 0
}

// cost returns how much of a window the backlog fills, in bytes.
func (b *backlog) cost() int { return len(b.bytes) - b.head + (len(b.marks)-b.first)*frameCost }

// unacknowledged returns the bytes from the acknowledged position to the end, headers of frames included.
func (b *backlog) unacknowledged() uint64 { return b.end - b.start }

// delivered returns the position up to which the lane has everything.
func (b *backlog) delivered() uint64 {
	switch {
	case !b.framed:
		return b.start + uint64(b.sent-b.head)
	case b.out > b.first:
		return b.marks[b.out-1].end
	}
	return b.start
}

// fresh reports whether there is something to deliver.
func (b *backlog) fresh() bool {
	if b.framed {
		return b.out < len(b.marks)
	}
	return b.sent < len(b.bytes)
}

// next returns the next delivery, and the position behind it: a whole frame, or at most most bytes. The bytes are valid
// until the next add. fresh must hold.
func (b *backlog) next(most int) (p []byte, position uint64) {
	n := min(most, len(b.bytes)-b.sent)
	if b.framed {
		n = int(b.marks[b.out].size)
		b.out++
	}
	p = b.bytes[b.sent : b.sent+n]
	b.sent += n
	return p, b.delivered()
}

// rewind makes everything undelivered.
func (b *backlog) rewind() { b.sent, b.out = b.head, b.first }

// acknowledge drops what ends at the position or before it. Position is between start and delivered.
func (b *backlog) acknowledge(position uint64) {
	defer b.shrink()
	if !b.framed {
		b.head += int(position - b.start)
		b.start = position
		return
	}
	for b.first < b.out && b.marks[b.first].end <= position {
		b.head += int(b.marks[b.first].size)
		b.first++
	}
	b.start = position
}

// shrink gives up a buffer that is much larger than what is left in it: one byte of a message that is not complete
// would keep it. It copies less than a third of what was acknowledged.
func (b *backlog) shrink() {
	if left := len(b.bytes) - b.head; cap(b.bytes) > keptBuffer && left < cap(b.bytes)/4 {
		b.bytes = append(make([]byte, 0, left), b.bytes[b.head:]...)
		b.sent, b.head = b.sent-b.head, 0
	}
	if left := len(b.marks) - b.first; cap(b.marks)*frameCost > keptBuffer && left < cap(b.marks)/4 {
		b.marks = append(make([]mark, 0, left), b.marks[b.first:]...)
		b.out, b.first = b.out-b.first, 0
	}
}

// empty reports whether everything is acknowledged.
func (b *backlog) empty() bool {
	if b.framed {
		return b.first == len(b.marks)
	}
	return b.head == len(b.bytes)
}
