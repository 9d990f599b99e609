package feed

import "sync"

// maxSpareBuffer is the largest buffer that is kept for the next batch: what a batch of DATA needs is not kept.
const maxSpareBuffer = 256 << 10

// bufferPool has the buffers that batches are made in. It is a mem.BufferPool.
type bufferPool struct{ spare sync.Pool }

// Get returns a buffer of at least a length, which is empty when that is 0.
func (p *bufferPool) Get(length int) *[]byte {
	if b, ok := p.spare.Get().(*[]byte); ok && cap(*b) >= length {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, max(length, 64<<10))
	return &b
}

// Put takes back a buffer that nobody uses any more.
func (p *bufferPool) Put(b *[]byte) {
	if cap(*b) <= maxSpareBuffer {
		p.spare.Put(b)
	}
}
