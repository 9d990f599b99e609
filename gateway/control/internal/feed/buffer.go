package feed

import "sync"

// maxSpareBuffer is the size in bytes of the largest buffer that is kept for reuse. A batch of DATA may need MiBs.
const maxSpareBuffer = 256 << 10

// BufferPool keeps the buffers that batches are encoded into. It is a mem.BufferPool; the zero value is ready for use,
// and its methods may be called from any goroutine.
type BufferPool struct{ spare sync.Pool }

// Get returns a buffer of length bytes. A new one has a capacity of at least 64 KiB. Its bytes are not zeroed.
func (p *BufferPool) Get(length int) *[]byte {
	if b, ok := p.spare.Get().(*[]byte); ok && cap(*b) >= length {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, max(length, 64<<10))
	return &b
}

// Put takes back a buffer that is no longer used. It leaves a buffer over 256 KiB to the garbage collector.
func (p *BufferPool) Put(b *[]byte) {
	if cap(*b) <= maxSpareBuffer {
		p.spare.Put(b)
	}
}
