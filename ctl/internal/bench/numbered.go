package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// numberedHeader is the size of a message's number and of its connection's number.
const numberedHeader = 16

// sequence has the numbered messages of one connection: those that were sent, and those that were answered.
type sequence struct {
	connection int64
	pattern    pattern
	expected   []byte // of one message

	sentAt   []time.Duration // when the messages in flight were sent or due: of message k at k modulo its length
	done     []bool          // those of them that are answered
	sent     int64
	oldest   int64 // the first message that is not answered
	highest  int64 // one more than the highest number that was answered
	answered int64

	doubled, disordered int64
}

func newSequence(connection int64, p pattern, size, inFlight int) *sequence {
	return &sequence{connection: connection, pattern: p, expected: make([]byte, size),
		sentAt: make([]time.Duration, inFlight), done: make([]bool, inFlight)}
}

// room reports whether another message may be sent: as many as may be in flight, counted from the oldest, so that a
// lost one ends the sending.
func (s *sequence) room() bool { return s.sent-s.oldest < int64(len(s.sentAt)) }

// begin counts one more message, sent at t, and returns its number.
func (s *sequence) begin(t time.Duration) int64 {
	k := s.sent
	s.sentAt[s.slot(k)], s.done[s.slot(k)] = t, false
	s.sent++
	return k
}

func (s *sequence) slot(k int64) int { return int(k % int64(len(s.sentAt))) }

// waiting returns since when the oldest message without an answer waits; there is one.
func (s *sequence) waiting() time.Duration { return s.sentAt[s.slot(s.oldest)] }

// fill makes message k: its number, the connection's, and a part of the pattern that is this message's own.
func (s *sequence) fill(message []byte, k int64) {
	binary.BigEndian.PutUint64(message, uint64(k))
	binary.BigEndian.PutUint64(message[8:], uint64(s.connection))
	size := int64(len(message))
	for at := int64(numberedHeader); at < size; {
		at += int64(copy(message[at:], s.pattern.at(s.connection*40503+k*size+at, size-at)))
	}
}

// take compares one message with the one of its number that was sent. It returns when that was sent, for the first
// answer to it; first is false for others.
func (s *sequence) take(message []byte) (sentAt time.Duration, first bool, err error) {
	k := int64(binary.BigEndian.Uint64(message))
	if k < 0 || k >= s.sent {
		return 0, false, &mismatchError{fmt.Sprintf("bytes came back that are no message: number %d, and %d were sent",
			uint64(k), s.sent)}
	}
	if s.fill(s.expected, k); !bytes.Equal(message, s.expected) {
		return 0, false, difference(s.expected, message)
	}
	if k < s.oldest || s.done[s.slot(k)] {
		s.doubled++
		return 0, false, nil
	}
	s.answer(k)
	return s.sentAt[s.slot(k)], true, nil
}

// answer counts the first answer to message k.
func (s *sequence) answer(k int64) {
	if k < s.highest {
		s.disordered++
	}
	s.highest = max(s.highest, k+1)
	s.done[s.slot(k)] = true
	s.answered++
	for s.oldest < s.sent && s.done[s.slot(s.oldest)] {
		s.oldest++
	}
}

// unanswered are the messages without an answer; at the end, they are lost.
func (s *sequence) unanswered() int64 { return s.sent - s.answered }
