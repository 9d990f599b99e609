package transport

// smallBuffer is the largest buffer that is allocated with exactly the needed size. A peer that sends the beginning of
// a short record and stops is not worth a full buffer.
const smallBuffer = 1 << 10

// tlsBuffer is ciphertext that waits for the rest of its record, or for the kernel to take it.
type tlsBuffer struct {
	bytes []byte
	done  int // bytes at the beginning that the kernel took
}

// rest returns the bytes that wait; none of a nil buffer.
func (b *tlsBuffer) rest() []byte {
	if b == nil {
		return nil
	}
	return b.bytes[b.done:]
}

// buffer returns an empty buffer with capacity for size bytes, at most maxRecord.
func (l *TLS) buffer(size int) *tlsBuffer {
	if size <= smallBuffer {
		return &tlsBuffer{bytes: make([]byte, 0, size)}
	}
	return l.buffers.Get().(*tlsBuffer)
}

// release takes a buffer back. Nothing may refer to it any more; nil does nothing. Only buffers of the usual size are
// kept.
func (l *TLS) release(b *tlsBuffer) {
	if b == nil || cap(b.bytes) < maxRecord || cap(b.bytes) > 2*maxRecord {
		return
	}
	b.bytes, b.done = b.bytes[:0], 0
	l.buffers.Put(b)
}
