package sendqueue

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestQueueModel holds that a queue yields exactly the pushed bytes, and that yielded bytes stay unchanged until the
// queue is advanced, also when other queues use chunks that went back to the pool.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type modelled struct {
			queue   Queue
			bytes   []byte
			writing []byte // a front that the kernel is reading
			then    []byte // its bytes when it was yielded
		}
		queues := make([]modelled, 3)
		shared := bytes.Repeat([]byte("shared, never to be changed. "), 10_000)
		original := slices.Clone(shared)
		var lost [][2][]byte
		next := byte(0)
		pick := func(t *rapid.T) *modelled { return &queues[rapid.IntRange(0, len(queues)-1).Draw(t, "queue")] }
		size := rapid.OneOf(rapid.IntRange(0, 10), rapid.IntRange(firstChunk-1, firstChunk+1),
			rapid.IntRange(shareSize-1, shareSize+1), rapid.IntRange(chunkSize-1, chunkSize+1), rapid.IntRange(0, 200_000))
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				m := pick(t)
				p := make([]byte, size.Draw(t, "size"))
				for i := range p {
					p[i] = next + byte(i)
				}
				next++
				m.queue.Push(p, false)
				m.bytes = append(m.bytes, p...)
				clear(p) // the queue must have copied it
			},
			"push shared": func(t *rapid.T) {
				m := pick(t)
				from := rapid.IntRange(0, 1000).Draw(t, "from")
				p := shared[from : from+size.Draw(t, "size")]
				m.queue.Push(p, true)
				m.bytes = append(m.bytes, p...)
			},
			"front": func(t *rapid.T) {
				m := pick(t)
				m.writing = m.queue.Front()
				m.then = slices.Clone(m.writing)
				if (len(m.writing) == 0) != (len(m.bytes) == 0) || len(m.writing) > chunkSize {
					t.Fatalf("front has %d bytes of %d", len(m.writing), len(m.bytes))
				}
			},
			"advance": func(t *rapid.T) {
				m := pick(t)
				if len(m.writing) == 0 {
					return
				}
				n := rapid.OneOf(rapid.IntRange(0, len(m.writing)), rapid.Just(len(m.writing))).Draw(t, "n")
				if !bytes.Equal(m.writing[:n], m.bytes[:n]) {
					t.Fatal("the front is not what was pushed")
				}
				m.queue.Advance(n)
				m.bytes = m.bytes[n:]
				m.writing, m.then = nil, nil
			},
			"drop": func(t *rapid.T) {
				m := pick(t)
				m.queue.drop()
				m.bytes = nil
				lost = append(lost, [2][]byte{m.writing, m.then}) // a write may still be reading it
				m.writing, m.then = nil, nil
			},
			"": func(t *rapid.T) {
				for i := range queues {
					m := &queues[i]
					if m.queue.Size != len(m.bytes) {
						t.Fatalf("queue %d has size %d; expected %d", i, m.queue.Size, len(m.bytes))
					}
					if m.queue.Size == 0 && m.queue.chunks != nil {
						t.Fatalf("an empty queue holds %d chunks", len(m.queue.chunks))
					}
					if !bytes.Equal(m.writing, m.then) {
						t.Fatalf("bytes of queue %d changed while they were written", i)
					}
				}
				for _, l := range lost {
					if !bytes.Equal(l[0], l[1]) {
						t.Fatal("bytes of a dropped queue changed while they were written")
					}
				}
				if !bytes.Equal(shared, original) {
					t.Fatal("a shared slice was changed")
				}
			},
		})
	})
}

// BenchmarkQueue pushes 16 KiB and takes them away again.
func BenchmarkQueue(b *testing.B) {
	for _, c := range []struct {
		name   string
		shared bool
	}{{"copied", false}, {"shared", true}} {
		b.Run(c.name, func(b *testing.B) {
			p := make([]byte, 16<<10)
			var q Queue
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				q.Push(p, c.shared)
				for q.Size > 0 {
					q.Advance(len(q.Front()))
				}
			}
		})
	}
}
