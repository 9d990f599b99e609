package event_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// busy returns the events of a busy gateway: connections come and go, and every field is set.
func busy() []event.Event {
	listener := &event.Listener{Name: "main"}
	var events []event.Event
	for i := range 64 {
		began := time.Now()
		info := event.Connection{
			Identity: &event.Identity{Origin: &origin, Listener: listener, Seq: uint64(i + 1), ConnectedAt: began,
				Remote: netip.MustParseAddrPort("10.1.2.3:40000"), Local: netip.MustParseAddrPort("10.0.0.1:8017")},
			LastActiveAt: began, Labels: map[string]string{"room": "7"}, State: event.StateOpen,
		}
		events = append(events, event.Event{Type: event.Connected, Conn: info})
		info.BytesReceived, info.BytesSent, info.State, info.CloseReason =
			1234, 5678, event.StateClosed, event.ReasonPeerClosed
		info.ClosedAt = began.Add(time.Second)
		events = append(events, event.Event{Type: event.Closed, Conn: info,
			Detail: &event.ClosedDetail{Lifetime: time.Second}})
	}
	return events
}

// BenchmarkAppend publishes while subscribers follow as fast as they can. They take processors from the publisher, so
// that ns/op says little: publisher-ns/op is the processor time of the publisher's own thread.
func BenchmarkAppend(b *testing.B) {
	for _, subscribers := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			l, events := newLog(65536), busy()
			for range 2 * 65536 / len(events) { // the ring has gone round, as in a gateway that has run for a while
				for i := range events {
					l.Append(&events[i])
				}
			}
			var following sync.WaitGroup
			for range subscribers {
				s := subscribe(b, l, event.Options{})
				following.Go(func() {
					batch, err := make([]event.Event, 0, 256), error(nil)
					for err == nil {
						_, err = s.Next(b.Context(), batch[:0])
					}
				})
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			b.ReportAllocs()
			began, i := processorTime(b), 0
			for b.Loop() {
				l.Append(&events[i%len(events)])
				i++
			}
			b.ReportMetric(float64(processorTime(b)-began)/float64(b.N), "publisher-ns/op")
			l.Close()
			following.Wait()
		})
	}
}

// BenchmarkKept fills the log and reports how many bytes of memory an event takes.
func BenchmarkKept(b *testing.B) {
	events := busy()
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l := newLog(65536)
		for i := range 65536 {
			l.Append(&events[i%len(events)])
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/65536, "B/event")
		runtime.KeepAlive(l)
	}
}

func BenchmarkAppendData(b *testing.B) {
	l := newLog(65536)
	subscribe(b, l, event.Options{MaxData: 1024})
	p := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		l.AppendData(event.Connection{}, p)
	}
}

// BenchmarkNext reads a batch of 256.
func BenchmarkNext(b *testing.B) {
	l := newLog(65536)
	fill(l, 65536, event.Connected)
	s := subscribe(b, l, event.Options{After: "0"})
	batch := make([]event.Event, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if s.Cursor() == l.Head() {
			s.Close()
			s = subscribe(b, l, event.Options{After: "0"})
		}
		if _, err := s.Next(b.Context(), batch[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
