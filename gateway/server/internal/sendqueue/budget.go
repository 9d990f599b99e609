package sendqueue

import "sync/atomic"

// Budget counts the bytes in all send queues. Bytes that the kernel takes at once never come here, so traffic that
// flows costs nothing. The zero value is empty. Its methods may be called from any goroutine.
type Budget struct{ bytes atomic.Int64 }

// Take adds n bytes to the count. It adds nothing and returns false when the count would exceed most.
func (b *Budget) Take(n, most int) bool {
	for {
		now := b.bytes.Load()
		if now+int64(n) > int64(most) {
			return false
		}
		if b.bytes.CompareAndSwap(now, now+int64(n)) {
			return true
		}
	}
}

// Give subtracts n bytes that left a queue.
func (b *Budget) Give(n int) { b.bytes.Add(-int64(n)) }

// Bytes returns how many bytes are queued.
func (b *Budget) Bytes() int64 { return b.bytes.Load() }
