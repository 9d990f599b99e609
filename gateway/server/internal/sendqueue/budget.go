package sendqueue

import "sync/atomic"

// Budget counts the bytes in all send queues. Only what the kernel does not take at once is counted, so traffic that
// flows does not come here. Its methods may be called from any goroutine.
type Budget struct{ bytes atomic.Int64 }

// Take counts n bytes that are to be queued; false when there would be more than most in all, and then they are not
// counted.
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

// Give takes note that n bytes have left a queue.
func (b *Budget) Give(n int) { b.bytes.Add(-int64(n)) }

// Bytes returns how many bytes are queued.
func (b *Budget) Bytes() int64 { return b.bytes.Load() }
