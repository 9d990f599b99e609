package bench

import (
	"testing"
	"time"
)

// messagesOf makes the messages 0 to n-1 of a sequence, all of them in flight.
func messagesOf(n int) (s *sequence, messages [][]byte) {
	s = newSequence(3, newPattern(), 100, n)
	for k := range n {
		message := make([]byte, 100)
		s.fill(message, s.begin(time.Duration(k)))
		messages = append(messages, message)
	}
	return s, messages
}

// Each order of answers has its count of doubled, disordered and unanswered messages.
func TestSequence(t *testing.T) {
	for _, tt := range []struct {
		name                            string
		answers                         []int
		doubled, disordered, unanswered int64
	}{
		{"exact", []int{0, 1, 2, 3}, 0, 0, 0},
		{"nothing", nil, 0, 0, 4},
		{"the first is lost", []int{1, 2, 3}, 0, 0, 1},
		{"the last is lost", []int{0, 1, 2}, 0, 0, 1},
		{"one is doubled at once", []int{0, 0, 1, 2, 3}, 1, 0, 0},
		{"one is doubled later", []int{0, 1, 2, 1, 3}, 1, 0, 0},
		{"a replay of all", []int{0, 1, 2, 3, 0, 1, 2, 3}, 4, 0, 0},
		{"two are swapped", []int{1, 0, 2, 3}, 0, 1, 0},
		{"backwards", []int{3, 2, 1, 0}, 0, 3, 0},
		{"swapped and doubled", []int{1, 0, 1, 2}, 1, 1, 1},
	} {
		s, messages := messagesOf(4)
		for _, k := range tt.answers {
			at, first, err := s.take(messages[k])
			if err != nil || first && at != time.Duration(k) {
				t.Errorf("%s: %v, sent at %v", tt.name, err, at)
			}
		}
		if s.doubled != tt.doubled || s.disordered != tt.disordered || s.unanswered() != tt.unanswered {
			t.Errorf("%s: %d doubled, %d out of order, %d unanswered", tt.name, s.doubled, s.disordered, s.unanswered())
		}
	}
}

// There is room for as many messages as may be in flight, counted from the oldest.
func TestSequenceRoom(t *testing.T) {
	s, messages := messagesOf(3)
	for _, k := range []int{2, 1} {
		if _, _, err := s.take(messages[k]); err != nil || s.room() {
			t.Errorf("room behind %d although 0 is not answered: %v", k, err)
		}
	}
	if _, _, err := s.take(messages[0]); err != nil || !s.room() || s.oldest != 3 {
		t.Errorf("oldest %d: %v", s.oldest, err)
	}
	s.begin(0)
	if _, first, err := s.take(messages[0]); first || err != nil || s.doubled != 1 {
		t.Errorf("an answer to message 0 in the place of message 3: %v, %v", first, err)
	}
}

// Every byte counts: one that is changed, of another connection, or of a message that was not sent, is wrong.
func TestSequenceWrongBytes(t *testing.T) {
	for at := range 100 {
		s, messages := messagesOf(2)
		messages[1][at] ^= 0x40
		if _, _, err := s.take(messages[1]); failureName(err) != failureMismatch || s.answered != 0 {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	s, messages := messagesOf(2)
	other := newSequence(4, s.pattern, 100, 2)
	other.begin(0)
	if _, _, err := other.take(messages[0]); failureName(err) != failureMismatch {
		t.Errorf("of another connection: %v", err)
	}
	if _, _, err := other.take(messages[1]); failureName(err) != failureMismatch {
		t.Errorf("of a message that was not sent: %v", err)
	}
}

// Messages of every size are their own, also of sizes beyond the pattern.
func TestSequenceSizes(t *testing.T) {
	for _, size := range []int{numberedHeader, numberedHeader + 1, patternPeriod + numberedHeader + 5, maxBenchBytes} {
		s := newSequence(1, newPattern(), size, 1)
		message := make([]byte, size)
		s.fill(message, s.begin(7))
		if at, first, err := s.take(message); at != 7 || !first || err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
}
