package event_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// BenchmarkAppend publishes while subscribers follow as fast as they can.
func BenchmarkAppend(b *testing.B) {
	for _, subscribers := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			l := newLog(65536)
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
			e := &event.Event{Type: event.Connected}
			b.ReportAllocs()
			for b.Loop() {
				l.Append(e)
			}
			b.StopTimer()
			l.Close()
			following.Wait()
		})
	}
}

func BenchmarkAppendData(b *testing.B) {
	l := newLog(65536)
	subscribe(b, l, event.Options{MaxData: 1024})
	p := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		l.AppendData(event.Info{}, p)
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
