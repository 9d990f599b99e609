package event_test

import (
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// whole returns a connection with a different value in each field.
func whole() event.Connection {
	at := func(seconds int64) time.Time { return time.Unix(1_700_000_000+seconds, seconds) }
	return event.Connection{
		Identity: &event.Identity{Origin: &origin, Listener: &event.Listener{Name: "main"}, Seq: 7,
			Remote: netip.MustParseAddrPort("10.0.0.1:2"), Local: netip.MustParseAddrPort("10.0.0.1:3"), ConnectedAt: at(1)},
		LastActiveAt: at(2), BytesReceived: 1 << 60, BytesSent: 1<<60 + 1, QueuedBytes: 1<<60 + 2, UnsentBytes: 14,
		DiscardedBytes: 15, Unacknowledged: 1<<60 + 3, Instance: "pod-1",
		Labels: map[string]string{"k": "v"}, ClosedAt: at(3), CloseText: "why", ClosedBy: "who",
		State: event.StateClosed, CloseReason: event.ReasonKicked, ReadPaused: true,
	}
}

// TestKeptWhole holds that an event comes out of the log unchanged, whichever of its fields are set.
func TestKeptWhole(t *testing.T) {
	l := newLog(256)
	all := whole()
	conns := []event.Connection{{}, all}
	for i := range reflect.TypeFor[event.Connection]().NumField() { // each field alone
		var one event.Connection
		reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(all).Field(i))
		conns = append(conns, one)
	}
	var want []event.Event
	for i, conn := range conns {
		for _, detail := range []event.Detail{nil, &event.IdleDetail{Idle: time.Second}} {
			e := event.Event{Type: event.IdleTimeout, Time: all.ClosedAt.Add(time.Duration(i)), Conn: conn,
				Detail: detail, Connections: uint64(i)}
			e.Sequence = l.Append(&e)
			want = append(want, e)
		}
	}
	got := drain(subscribe(t, l, event.Options{After: "0"}))
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("kept %+v; appended %+v", got[i], want[i])
		}
	}
}

// TestDataWhole holds the same for Data.
func TestDataWhole(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{MaxData: 9})
	l.AppendData(whole(), []byte("hello"))
	e := drain(s)[0]
	if !reflect.DeepEqual(e.Conn, whole()) || e.Type != event.Data || e.Time.IsZero() ||
		!reflect.DeepEqual(e.Detail, &event.DataDetail{Bytes: []byte("hello"), Total: 5}) {
		t.Errorf("%+v", e)
	}
}

// TestAppendDoesNotAllocate holds that publishing allocates nothing once the ring has gone round.
func TestAppendDoesNotAllocate(t *testing.T) {
	l := newLog(512)
	conn := whole()
	conn.CloseText, conn.ClosedBy, conn.UnsentBytes, conn.DiscardedBytes = "", "", 0, 0
	conn.Instance, conn.Unacknowledged = "", 0
	e := &event.Event{Type: event.Closed, Conn: conn, Detail: &event.ClosedDetail{}}
	turn := func() {
		for range 768 {
			l.Append(e)
		}
	}
	turn()
	if n := testing.AllocsPerRun(10, turn); n > 0 {
		t.Errorf("%v allocations for 768 events", n)
	}
}

// TestReadersOfSmallLog holds that a reader gets whole events while the ring goes round under it again and again.
func TestReadersOfSmallLog(t *testing.T) {
	const events = 200_000
	l := newLog(256)
	conns := []*event.Identity{{Seq: 0}, {Seq: 1}, {Seq: 2}}
	var following sync.WaitGroup
	for range 4 {
		s := subscribe(t, l, event.Options{After: "0"})
		following.Go(func() {
			var next uint64 = 1
			for batch := make([]event.Event, 0, 300); ; {
				got, err := s.Next(safety(t), batch[:0])
				if err != nil {
					break
				}
				for _, e := range got {
					if d, ok := e.Detail.(*event.GapDetail); ok {
						if d.From != next {
							t.Errorf("gap from %d; expected %d", d.From, next)
						}
						next = d.To + 1
						continue
					}
					if e.Sequence != next || e.Conn.BytesReceived != next || e.Conn.Seq != next%3 ||
						e.Conn.CloseText != "text" {
						t.Errorf("event %d of connection %d with %d bytes; expected %d",
							e.Sequence, e.Conn.Seq, e.Conn.BytesReceived, next)
						return
					}
					next++
				}
			}
			if next != events+1 {
				t.Errorf("ended before %d", next)
			}
		})
	}
	for i := range uint64(events) {
		l.Append(&event.Event{Type: event.Ended,
			Conn: event.Connection{Identity: conns[(i+1)%3], BytesReceived: i + 1, CloseText: "text"}})
	}
	l.Close()
	following.Wait()
}
