package feed

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/wire"
)

// BenchmarkStream encodes a batch of 256 events.
func BenchmarkStream(b *testing.B) {
	origin := event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}
	l := event.NewLog(origin, 256)
	now := time.Now()
	info := event.Connection{
		Identity: &event.Identity{Origin: &origin, Listener: &event.Listener{Name: "main"}, Seq: 123456, ConnectedAt: now,
			Remote: netip.MustParseAddrPort("10.1.2.3:40000"), Local: netip.MustParseAddrPort("10.0.0.1:8017")},
		LastActiveAt: now, BytesReceived: 1234, BytesSent: 5678, State: event.StateClosed,
		CloseReason: event.ReasonPeerClosed, ClosedAt: now,
	}
	for range 256 {
		l.Append(&event.Event{Type: event.Closed, Conn: info, Detail: &event.ClosedDetail{Lifetime: time.Second}})
	}
	s, err := l.Subscribe(event.Options{After: "0"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	from := s.Position()
	events := s.Poll(nil)
	encoder := BatchEncoder{Events: wire.NewEventEncoder(origin), Pool: &BufferPool{}}
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		for _, done := range encoder.Encode(events, from, s) {
			size = done.Buffer.Len()
			done.Buffer.Free()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/event")
	b.ReportMetric(float64(size)/256, "B/event")
}
