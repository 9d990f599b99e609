package transport

import "sync/atomic"

const (
	descriptorChunk  = 1 << 12
	descriptorChunks = 1 << 12
	// maxDescriptor is one more than the highest descriptor that the table can hold. Linux allows 2^20 descriptors by
	// default.
	maxDescriptor = descriptorChunk * descriptorChunks
)

// descriptors maps a descriptor to its socket without a lock, at 8 bytes each.
type descriptors [descriptorChunks]atomic.Pointer[[descriptorChunk]atomic.Pointer[epollSocket]]

// get returns the socket of a descriptor below maxDescriptor; nil when there is none.
func (t *descriptors) get(fd int) *epollSocket {
	chunk := t[fd/descriptorChunk].Load()
	if chunk == nil {
		return nil
	}
	return chunk[fd%descriptorChunk].Load()
}

// set records the socket of a descriptor below maxDescriptor; nil removes it.
func (t *descriptors) set(fd int, s *epollSocket) {
	place := &t[fd/descriptorChunk]
	chunk := place.Load()
	for chunk == nil {
		place.CompareAndSwap(nil, new([descriptorChunk]atomic.Pointer[epollSocket]))
		chunk = place.Load()
	}
	chunk[fd%descriptorChunk].Store(s)
}
