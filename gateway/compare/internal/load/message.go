package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// stampSize is the length of the part that differs in every message: the connection's index and the message's number on
// it.
const stampSize = 16

// MinMessage and MaxMessage bound a message's length.
const (
	MinMessage = stampSize
	MaxMessage = 1 << 20
)

// message is a message's contents: a stamp and a pattern that never repeats within 251 bytes.
type message struct {
	bytes []byte
	stamp [stampSize]byte // the one expected, while a message is compared
}

func newMessage(size int) (*message, error) {
	if size < MinMessage || size > MaxMessage {
		return nil, fmt.Errorf("message of %d bytes: expected %d to %d", size, MinMessage, MaxMessage)
	}
	m := &message{bytes: make([]byte, size)}
	for i := range m.bytes {
		m.bytes[i] = byte(i % 251)
	}
	return m, nil
}

func stamp(p []byte, index int, number uint64) {
	binary.LittleEndian.PutUint64(p, uint64(index))
	binary.LittleEndian.PutUint64(p[8:], number)
}

// from returns the bytes of a message from an offset on. They are valid until the next call.
func (m *message) from(offset, index int, number uint64) []byte {
	stamp(m.bytes, index, number)
	return m.bytes[offset:]
}

// matches reports whether p equals the message's bytes from an offset on. It must not go beyond the end.
func (m *message) matches(p []byte, offset, index int, number uint64) bool {
	if offset < stampSize {
		stamp(m.stamp[:], index, number)
		head := m.stamp[offset:min(stampSize, offset+len(p))]
		if !bytes.Equal(p[:len(head)], head) {
			return false
		}
		p, offset = p[len(head):], offset+len(head)
	}
	return bytes.Equal(p, m.bytes[offset:offset+len(p)])
}
