// Package sendqueue holds the bytes that wait for the kernel, in chunks that connections may share.
package sendqueue

import "sync"

const (
	// chunkSize is the greatest size of a chunk that the queue fills, and of one write, in bytes.
	chunkSize = 64 << 10
	// shareSize is the least length of a shared slice that the queue refers to instead of copying. For shorter slices a
	// chunk of their own would cost too much. An empty queue refers to a shared slice of any length.
	shareSize = 2 << 10
	// firstChunk is the size of the first chunk, in bytes. Each further one doubles, up to chunkSize.
	firstChunk = 512
)

var chunkPool = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// Queue holds bytes that a connection has accepted and the kernel has not taken, in order. The zero value is empty. The
// connection's lock guards it.
type Queue struct {
	chunks []chunk
	offset int      // bytes of the first chunk that the kernel has taken
	Size   int      // bytes in the queue; must not be set
	first  [2]chunk // the array that chunks begins in, so that a short queue allocates no other
}

type chunk struct {
	bytes []byte
	owned bool // filled by the queue, which may append to it; a shared chunk is never changed
}

// Push appends p. It copies p, unless shared is set and referring to p is cheaper. With shared, p must never change
// afterwards.
func (q *Queue) Push(p []byte, shared bool) {
	if len(p) == 0 {
		return
	}
	if q.chunks == nil {
		q.chunks = q.first[:0]
	}
	empty := q.Size == 0
	q.Size += len(p)
	if shared && (empty || len(p) >= shareSize) {
		q.chunks = append(q.chunks, chunk{bytes: p})
		return
	}
	for len(p) > 0 {
		room := q.tail(len(p))
		n := min(len(p), cap(room.bytes)-len(room.bytes))
		room.bytes = append(room.bytes, p[:n]...)
		p = p[n:]
	}
}

// tail returns the last chunk if it has room, else a new one.
func (q *Queue) tail(want int) *chunk {
	size := firstChunk
	if n := len(q.chunks); n > 0 {
		last := &q.chunks[n-1]
		if last.owned && len(last.bytes) < cap(last.bytes) {
			return last
		}
		if last.owned {
			size = 2 * cap(last.bytes)
		}
	}
	q.chunks = append(q.chunks, newChunk(min(chunkSize, max(size, want))))
	return &q.chunks[len(q.chunks)-1]
}

func newChunk(size int) chunk {
	if size > chunkSize/2 {
		return chunk{bytes: chunkPool.Get().(*[chunkSize]byte)[:0], owned: true}
	}
	return chunk{bytes: make([]byte, 0, size), owned: true}
}

// Front returns the next bytes to write, at most 64 KiB; nil for an empty queue. They stay unchanged until Advance.
func (q *Queue) Front() []byte {
	if q.Size == 0 {
		return nil
	}
	p := q.chunks[0].bytes[q.offset:]
	return p[:min(len(p), chunkSize)]
}

// Advance drops the first n bytes, which the kernel has taken. n is at most len(Front()), and the queue is not empty.
func (q *Queue) Advance(n int) {
	q.Size -= n
	q.offset += n
	first := q.chunks[0]
	if q.offset < len(first.bytes) {
		return
	}
	if first.owned && cap(first.bytes) == chunkSize {
		chunkPool.Put((*[chunkSize]byte)(first.bytes[:chunkSize]))
	}
	q.offset = 0
	q.chunks[0] = chunk{}
	q.chunks = q.chunks[1:]
	if q.Size == 0 {
		q.chunks = nil // an idle connection owns no buffer
	}
}

// drop empties the queue. Shared and pooled chunks go to the garbage collector.
func (q *Queue) drop() { *q = Queue{} }
