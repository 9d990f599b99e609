package lane

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// piece is what one delivery of the model has.
type piece struct {
	data     []byte
	position uint64
}

// model is a backlog that keeps every piece apart. Raw bytes are pieces of one byte.
type model struct {
	pieces       []piece // not acknowledged
	out          int     // delivered
	acknowledged uint64
	end          uint64
}

func (m *model) add(p []byte, position uint64, framed bool) {
	m.end = position
	if framed {
		m.pieces = append(m.pieces, piece{bytes.Clone(p), position})
		return
	}
	for i := range p {
		m.pieces = append(m.pieces, piece{[]byte{p[i]}, position - uint64(len(p)) + uint64(i) + 1})
	}
}

func (m *model) delivered() uint64 {
	if m.out == 0 {
		return m.acknowledged
	}
	return m.pieces[m.out-1].position
}

func (m *model) acknowledge(position uint64) {
	for m.out > 0 && m.pieces[0].position <= position {
		m.pieces, m.out = m.pieces[1:], m.out-1
	}
	m.acknowledged = position
}

// TestBacklog compares a backlog with a model, in any order of adding, delivering, acknowledging and losing.
func TestBacklog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		framed := rapid.Bool().Draw(t, "framed")
		start := rapid.Uint64Range(0, 1<<40).Draw(t, "start")
		b, m := newBacklog(framed, start, 0), &model{acknowledged: start, end: start}
		next := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				least := 1
				if framed {
					least = 0
				}
				p := make([]byte, rapid.IntRange(least, 300).Draw(t, "size"))
				for i := range p {
					next++
					p[i] = next
				}
				position := m.end + uint64(len(p))
				if framed { // a header, and frames that were skipped
					position += rapid.Uint64Range(1, 9).Draw(t, "header")
				}
				b.add(p, position)
				m.add(p, position, framed)
			},
			"deliver": func(t *rapid.T) {
				if !b.fresh() {
					t.Skip("nothing")
				}
				p, position := b.next(rapid.IntRange(1, 200).Draw(t, "most"))
				var want []byte
				if framed {
					want = m.pieces[m.out].data
					m.out++
				} else {
					for range p {
						want = append(want, m.pieces[m.out].data...)
						m.out++
					}
				}
				if !bytes.Equal(p, want) || position != m.delivered() {
					t.Fatalf("%x up to %d; expected %x up to %d", p, position, want, m.delivered())
				}
			},
			"acknowledge": func(t *rapid.T) {
				position := rapid.Uint64Range(m.acknowledged, m.delivered()).Draw(t, "position")
				b.acknowledge(position)
				m.acknowledge(position)
			},
			"lose": func(*rapid.T) {
				b.rewind()
				m.out = 0
			},
			"": func(t *rapid.T) {
				size := 0
				for _, p := range m.pieces {
					size += len(p.data)
				}
				if framed {
					size += frameCost * len(m.pieces)
				}
				if b.cost() != size || b.empty() != (len(m.pieces) == 0) || b.fresh() != (m.out < len(m.pieces)) ||
					b.delivered() != m.delivered() || b.unacknowledged() != m.end-m.acknowledged {
					t.Fatalf("cost %d of %d, empty %t, fresh %t, delivered %d of %d, unacknowledged %d of %d", b.cost(), size,
						b.empty(), b.fresh(), b.delivered(), m.delivered(), b.unacknowledged(), m.end-m.acknowledged)
				}
			},
		})
		b.free()
	})
}

// TestBacklogBuffer checks that a connection that is served keeps no larger buffer than its bytes need.
func TestBacklogBuffer(t *testing.T) {
	b := newBacklog(true, 0, 0)
	position := uint64(0)
	p := make([]byte, 1000)
	for range 10_000 {
		for range 3 {
			position += 1000
			b.add(p, position)
		}
		for b.fresh() {
			b.next(1)
		}
		b.acknowledge(position - 1000) // one frame stays
	}
	if cap(b.bytes) > 64<<10 || cap(b.marks) > 1024 {
		t.Errorf("a buffer of %d bytes and %d marks for 3 frames of 1000 bytes", cap(b.bytes), cap(b.marks))
	}
}

// TestBacklogShrinks checks that one byte of a message that is not complete does not keep the buffer of those before.
func TestBacklogShrinks(t *testing.T) {
	for _, framed := range []bool{false, true} {
		b := newBacklog(framed, 0, 0)
		for i := range 1024 {
			b.add(make([]byte, 64), uint64(i+1)*64)
		}
		for b.fresh() {
			b.next(64)
		}
		b.acknowledge(1023 * 64)
		if b.cost() != 64+len(b.marks)*frameCost || cap(b.bytes) > keptBuffer || cap(b.marks)*frameCost > keptBuffer {
			t.Errorf("framed %t: a buffer of %d bytes and %d marks for a cost of %d", framed, cap(b.bytes), cap(b.marks),
				b.cost())
		}
		b.free()
	}
}
