package event_test

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
)

const modelSize = 256

// follower checks the events of one subscription against everything that was ever appended.
type follower struct {
	sub     *event.Subscription
	types   event.Types
	tapped  bool
	pos     uint64 // every event up to pos was delivered, unwanted, or covered by a gap
	dataPos int    // the same for Data, as an index into model.data
}

type model struct {
	kept []event.Type // by sequence - 1
	data []uint64     // the sequence of the kept event before each
}

// connAt is the connection of the n-th event: a plain one, a remote handler's, or one with a text.
func connAt(n int) event.Connection {
	return []event.Connection{{}, {Instance: "pod-1", Unacknowledged: uint64(n)}, {CloseText: "text"}}[n%3]
}

// unwanted checks that the subscription wants no event between from and to, both exclusive.
func (m *model) unwanted(t *rapid.T, f *follower, from, to uint64) {
	for seq := from + 1; seq < to; seq++ {
		if f.types.Has(m.kept[seq-1]) {
			t.Fatalf("event %d (%s) was skipped silently on the way from %d to %d", seq, m.kept[seq-1], from, to)
		}
	}
}

func (m *model) check(t *rapid.T, f *follower, events []event.Event) {
	for _, e := range events {
		switch d := e.Detail.(type) {
		case *event.GapDetail:
			m.gap(t, f, d)
		case *event.DataDetail:
			if !f.tapped {
				t.Fatal("Data that nobody asked for")
			}
			n := int(binary.BigEndian.Uint64(d.Bytes))
			if n != f.dataPos {
				t.Fatalf("Data %d; expected %d", n, f.dataPos)
			}
			f.dataPos++
			m.unwanted(t, f, f.pos, m.data[n]+1)
			f.pos = max(f.pos, m.data[n])
			if e.Sequence != m.data[n] || !reflect.DeepEqual(e.Conn, connAt(n)) {
				t.Fatalf("Data %d has sequence %d and %+v; expected %d and %+v", n, e.Sequence, e.Conn, m.data[n], connAt(n))
			}
		default:
			if e.Sequence <= f.pos || !f.types.Has(e.Type) || e.Type != m.kept[e.Sequence-1] {
				t.Fatalf("event %d of type %s behind %d", e.Sequence, e.Type, f.pos)
			}
			if conn := connAt(int(e.Sequence)); !reflect.DeepEqual(e.Conn, conn) {
				t.Fatalf("event %d has %+v; expected %+v", e.Sequence, e.Conn, conn)
			}
			m.unwanted(t, f, f.pos, e.Sequence)
			f.pos = e.Sequence
			if f.tapped && f.dataPos < len(m.data) && m.data[f.dataPos] < e.Sequence {
				t.Fatalf("event %d came before Data %d, which was received behind %d",
					e.Sequence, f.dataPos, m.data[f.dataPos])
			}
		}
	}
}

func (m *model) gap(t *rapid.T, f *follower, d *event.GapDetail) {
	if d.Reason == event.GapDataOverflow {
		f.dataPos += int(d.DataEvents)
		if d.DataEvents == 0 || f.dataPos > len(m.data) {
			t.Fatalf("gap of %d Data events, to %d of %d", d.DataEvents, f.dataPos, len(m.data))
		}
		return
	}
	if d.From != f.pos+1 {
		m.unwanted(t, f, f.pos, d.From)
	}
	if d.From <= f.pos || d.To < d.From || d.To+modelSize > uint64(len(m.kept)) {
		t.Fatalf("gap %d-%d behind %d with the newest event %d: these were not lost", d.From, d.To, f.pos, len(m.kept))
	}
	f.pos = d.To
}

// TestLogModel holds that every event is delivered once and whole, or is unwanted, or is covered by a gap. Data comes
// in its place among the others, or is covered by a gap too.
func TestLogModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := event.NewLog(origin, modelSize)
		m := &model{}
		var followers []*follower
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 2, 10, 255, 256, 257, 700}).Draw(t, "n") {
					typ := []event.Type{event.Connected, event.Ended, event.Closed}[len(m.kept)%3]
					l.Append(&event.Event{Type: typ, Conn: connAt(len(m.kept) + 1)})
					m.kept = append(m.kept, typ)
				}
			},
			"data": func(t *rapid.T) {
				size := rapid.SampledFrom([]int{8, 1024, 60 << 10}).Draw(t, "size")
				p := make([]byte, size)
				for range rapid.SampledFrom([]int{1, 3, 80, 1025}).Draw(t, "n") {
					if !l.Tapped() {
						return
					}
					binary.BigEndian.PutUint64(p, uint64(len(m.data)))
					l.AppendData(connAt(len(m.data)), p)
					m.data = append(m.data, uint64(len(m.kept)))
				}
			},
			"subscribe": func(t *rapid.T) {
				if len(followers) == 5 {
					return
				}
				f := &follower{types: rapid.SampledFrom([]event.Types{0, event.Types(0).With(event.Closed),
					event.Types(0).With(event.Ended).With(event.Data), event.Types(0).With(event.Error),
				}).Draw(t, "types"), pos: uint64(len(m.kept)), dataPos: len(m.data)}
				o := event.Options{Types: f.types}
				switch rapid.IntRange(0, 2).Draw(t, "after") {
				case 1:
					o.After = "0"
					f.pos = l.Oldest()
					f.pos = max(f.pos, 1) - 1
				case 2:
					f.pos = rapid.Uint64Range(0, uint64(len(m.kept))).Draw(t, "cursor")
					o.After = event.Cursor{Origin: origin, Sequence: f.pos}.String()
				}
				if rapid.Bool().Draw(t, "tap") {
					o.MaxData = rapid.IntRange(8, 64<<10).Draw(t, "max")
					f.tapped = f.types.Has(event.Data)
				}
				var err error
				if f.sub, err = l.Subscribe(o); err != nil {
					t.Fatal(err)
				}
				followers = append(followers, f)
			},
			"poll": func(t *rapid.T) {
				if len(followers) == 0 {
					return
				}
				f := rapid.SampledFrom(followers).Draw(t, "who")
				for range rapid.SampledFrom([]int{1, 3, 1 << 20}).Draw(t, "times") {
					batch := f.sub.Poll(make([]event.Event, 0, rapid.SampledFrom([]int{1, 7, 256}).Draw(t, "room")))
					m.check(t, f, batch)
					if len(batch) == 0 {
						m.unwanted(t, f, f.pos, uint64(len(m.kept))+1)
						if f.tapped && f.dataPos != len(m.data) {
							t.Fatalf("Data up to %d of %d delivered", f.dataPos, len(m.data))
						}
						if f.sub.Cursor() != l.Head() {
							t.Fatalf("cursor %s; the newest event is %s", f.sub.Cursor(), l.Head())
						}
						return
					}
				}
			},
			"close": func(t *rapid.T) {
				if len(followers) == 0 {
					return
				}
				followers[0].sub.Close()
				followers = followers[1:]
			},
		})
	})
}

// TestLogConcurrent runs publishers and subscribers at the same time. It holds that every subscriber gets every event
// once or a gap that covers it, and that the counts of live connections follow one another exactly.
func TestLogConcurrent(t *testing.T) {
	const publishers, each = 4, 3000
	l := newLog(1024)
	var publishing, following sync.WaitGroup
	for i := range 8 {
		s := subscribe(t, l, event.Options{MaxData: (i % 2) * 16})
		following.Go(func() {
			if err := follow(t, s); err != nil {
				t.Error(err)
			}
		})
	}
	for range publishers {
		publishing.Go(func() {
			for i := range each {
				l.Append(&event.Event{Type: []event.Type{event.Connected, event.Closed}[i%2]})
				l.AppendData(event.Connection{}, []byte("x"))
			}
		})
	}
	publishing.Wait()
	l.Close()
	following.Wait()
}

// follow reads to the end and checks that nothing is missing.
func follow(t *testing.T, s *event.Subscription) error {
	var pos, live uint64
	known := true // whether live is the count at pos
	buffer := make([]event.Event, 0, 100)
	for {
		batch, err := s.Next(safety(t), buffer[:0])
		if err != nil {
			if pos != 4*3000 {
				return fmt.Errorf("the stream ended at %d with %w", pos, err)
			}
			return nil
		}
		for _, e := range batch {
			switch e.Type {
			case event.Data:
				if e.Sequence != pos && known { // Data may outlive the kept events around it, and then follows their gap
					return fmt.Errorf("Data behind %d was delivered behind %d", e.Sequence, pos)
				}
				continue
			case event.Gap:
				if d := e.Detail.(*event.GapDetail); d.Reason == event.GapOverrun {
					if d.From != pos+1 {
						return fmt.Errorf("gap from %d behind %d", d.From, pos)
					}
					pos, known = d.To, false
				}
				continue
			case event.Connected:
				live++
			case event.Closed:
				live--
			}
			if e.Sequence != pos+1 || known && e.Connections != live {
				return fmt.Errorf("event %d with %d connections behind %d with %d", e.Sequence, e.Connections, pos, live)
			}
			pos, live, known = e.Sequence, e.Connections, true
		}
	}
}
