package transport

import "sync/atomic"

const (
	descriptorChunk  = 1 << 12
	descriptorChunks = 1 << 12
	// maxDescriptor is one more than the highest descriptor that the table has room for. Linux allows 2^20 unless it is told
	// otherwise.
	maxDescriptor = descriptorChunk * descriptorChunks
)

// descriptors finds the socket of a descriptor: 8 bytes for each, without a lock.
type descriptors [descriptorChunks]atomic.Pointer[[descriptorChunk]atomic.Pointer[epollSocket]]

// get returns the socket of a descriptor; nil when there is none.
func (t *descriptors) get(fd int) *epollSocket {
	chunk := t[fd/descriptorChunk].Load()
	if chunk == nil {
		return nil
	}
	return chunk[fd%descriptorChunk].Load()
}

// set notes the socket of a descriptor below maxDescriptor, or with nil that it has none.
func (t *descriptors) set(fd int, s *epollSocket) {
	place := &t[fd/descriptorChunk]
	chunk := place.Load()
	for chunk == nil {
		place.CompareAndSwap(nil, new([descriptorChunk]atomic.Pointer[epollSocket]))
		chunk = place.Load()
	}
	chunk[fd%descriptorChunk].Store(s)
}
