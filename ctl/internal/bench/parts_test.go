package cli

import (
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/bench"
	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestBenchEventsFindsWhatIsMissing holds that a GAP is counted, and that an event which is missing without one is a failure.
func TestBenchEventsFindsWhatIsMissing(t *testing.T) {
	event := func(sequence uint64) *sockgatev1.Event {
		return &sockgatev1.Event{Sequence: sequence, Type: sockgatev1.EventType_EVENT_TYPE_CONNECTED, Time: timestamppb.Now()}
	}
	gap := func(g *sockgatev1.GapDetails) *sockgatev1.Event {
		return &sockgatev1.Event{Type: sockgatev1.EventType_EVENT_TYPE_GAP, Details: &sockgatev1.Event_Gap{Gap: g}}
	}
	overflow := gap(&sockgatev1.GapDetails{Reason: sockgatev1.GapReason_GAP_REASON_DATA_OVERFLOW, DataEvents: 9})
	tests := []struct {
		events                                           []*sockgatev1.Event
		args                                             string
		code                                             int
		received, gaps, missed, missedData, unknown, not int64
	}{
		{[]*sockgatev1.Event{event(1), event(2), event(3), event(4)}, "", app.ExitDone, 4, 0, 0, 0, 0, 0},
		{[]*sockgatev1.Event{event(1), gap(&sockgatev1.GapDetails{From: 2, To: 3}), event(4)}, "", app.ExitDone, 2, 1, 2, 0, 0, 0},
		{[]*sockgatev1.Event{event(1), event(2), overflow, event(3), gap(&sockgatev1.GapDetails{}), event(4)}, "", app.ExitDone, 4, 2, 0, 9, 1, 0},
		{[]*sockgatev1.Event{event(1), event(4)}, "", app.ExitFailed, 2, 0, 0, 0, 0, 2},
		{[]*sockgatev1.Event{event(2), event(3), event(4)}, "", app.ExitFailed, 3, 0, 0, 0, 0, 1},
		{[]*sockgatev1.Event{event(1), event(2), event(2), event(3), event(4)}, "", app.ExitFailed, 5, 0, 0, 0, 0, 1},
		{[]*sockgatev1.Event{event(1), event(4)}, " --filter true", app.ExitDone, 2, 0, 0, 0, 0, 0},
	}
	for i, tt := range tests {
		described := 0
		g := &fakeGateway{
			gateway: func() (*sockgatev1.GetGatewayResponse, error) {
				described++
				return &sockgatev1.GetGatewayResponse{Cursor: map[bool]string{true: "n.1@0", false: "n.1@4"}[described == 1]}, nil
			},
			stream: func(req *sockgatev1.StreamEventsRequest, s eventStream) error {
				if req.GetAfter() != "n.1@0" || !req.GetScope().GetLocal() { // sequences are of one node
					t.Errorf("stream after %q, of %v", req.GetAfter(), req.GetScope())
				}
				_ = s.Send(&sockgatev1.StreamEventsResponse{Events: tt.events, Cursor: "n.1@4"})
				<-s.Context().Done()
				return nil
			},
		}
		r := newBenchRun(t.Context(), g.serve(t))
		code := r.run("events -s 1 -c 1 -d 10ms -o json"+tt.args, server(t, echoAll))
		var got bench.EventsResult
		r.result(t, &got)
		silent := int64(0)
		if got.Silent != nil {
			silent = *got.Silent
		}
		if code != tt.code || got.Events != tt.received || got.Gaps != tt.gaps || got.Missed != tt.missed || got.MissedData != tt.missedData ||
			got.MissedUnknown != tt.unknown || silent != tt.not || got.LagMicroseconds.Count != tt.received {
			t.Errorf("%d: exit code %d, %+v; expected %+v; stderr: %s", i, code, got, tt, r.stderr)
		}
	}
}

func TestSameClock(t *testing.T) {
	for gateway, want := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "unix:///x": true, "10.0.0.1:1": false, "edge:1": false} {
		if bench.SameClock(gateway) != want {
			t.Errorf("%s: %v", gateway, !want)
		}
	}
}

// TestBroadcastReader holds that broadcasts are told apart however they are cut, that one may be missing as a whole, and that any
// other byte is noticed.
func TestBroadcastReader(t *testing.T) {
	p := bench.NewPattern()
	payload := func(number int64) []byte { return bench.BroadcastPayload(p, number, 100) }
	read := func(chunk int, parts ...[]byte) (*bench.BroadcastBench, error) {
		x := &bench.BroadcastBench{Bench: &bench.Bench{Begun: time.Now()}, Options: bench.BroadcastBenchOptions{Flags: bench.Flags{Size: 100}}, Pattern: p,
			Deliveries: bench.NewLatencies(), All: bench.NewLatencies()}
		r := &bench.BroadcastReader{Bench: x, Deliveries: x.Deliveries.Shard(0)}
		for number, part := range parts {
			x.Begin(int64(number), 0)
			for len(part) > 0 {
				n := min(chunk, len(part))
				if err := r.Take(part[:n]); err != nil {
					return x, err
				}
				part = part[n:]
			}
		}
		return x, nil
	}
	for _, chunk := range []int{1, 3, 15, 16, 17, 99, 100, 300} {
		if x, err := read(chunk, payload(0), payload(1), payload(2)); err != nil || x.Deliveries.Count() != 3 || x.Round.Received != 1 {
			t.Errorf("chunks of %d: %d deliveries, %v", chunk, x.Deliveries.Count(), err)
		}
		if x, err := read(chunk, payload(0), nil, payload(2)); err != nil || x.Deliveries.Count() != 2 {
			t.Errorf("chunks of %d, one dropped: %d deliveries, %v", chunk, x.Deliveries.Count(), err)
		}
		if x, err := read(chunk, payload(0), nil, append(payload(1), payload(2)...)); err != nil || x.Deliveries.Count() != 2 {
			t.Errorf("chunks of %d, one late: %d deliveries, %v", chunk, x.Deliveries.Count(), err)
		}
	}
	for i := range 100 {
		wrong := payload(1)
		wrong[i] ^= 1
		if _, err := read(30, payload(0), wrong); err == nil {
			t.Errorf("byte %d was changed, and nobody noticed", i)
		}
	}
	if _, err := read(100, payload(5)); err == nil {
		t.Error("a broadcast that was not sent yet was taken")
	}
}

func TestPattern(t *testing.T) {
	p := bench.NewPattern()
	var b strings.Builder
	if err := p.Write(&b, 65500, 3*bench.PatternPeriod); err != nil || b.Len() != 3*bench.PatternPeriod {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
	if err := p.Check(65500, []byte(b.String())); err != nil {
		t.Error(err)
	}
	if err := p.Check(65501, []byte(b.String())); err == nil {
		t.Error("the pattern equals itself one byte further on")
	}
	if err := p.Check(0, []byte{p.Twice[0], p.Twice[1] ^ 0xff}); err == nil || !strings.Contains(err.Error(), "after 1 right bytes") {
		t.Errorf("%v", err)
	}
}

func TestBenchTexts(t *testing.T) {
	for us, want := range map[float64]string{
		0: "0s", 0.128: "130ns", 12.34: "12.3µs", 123.4: "123µs", 1234: "1.23ms", 12345: "12.3ms", 123456: "123ms",
		1234567: "1.23s", 12345678: "12.3s", 123456789: "2m3s", 7.2e9: "2h0m0s",
	} {
		if got := bench.LatencyText(us); got != want {
			t.Errorf("%v µs is shown as %s, want %s", us, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := bench.CountText(n); got != want {
			t.Errorf("%d is shown as %s", n, got)
		}
	}
	for r, want := range map[float64]string{0: "0/s", 0.25: "0.25/s", 12.34: "12.3/s", 99.99: "100/s", 48213.4: "48,213/s"} {
		if got := bench.RateText(r); got != want {
			t.Errorf("%v is shown as %s", r, got)
		}
	}
	if got := bench.FailuresText(map[string]int64{"reset": 2, "closedByPeer": 1}); got != "3 (closed by peer 1, reset 2)" {
		t.Error(got)
	}
}

// TestLatencies holds that the shards are one histogram, and that what is out of its bounds is kept at them.
func TestLatencies(t *testing.T) {
	l := bench.NewLatencies()
	for i := range 1000 {
		l.Shard(i).Record(time.Duration(i+1) * time.Millisecond)
	}
	r := l.Report()
	if r.Count != 1000 || l.Count() != 1000 || !near(r.P50, 500e3) || !near(r.P90, 900e3) || !near(r.P99, 990e3) || !near(r.P999, 999e3) || !near(r.Max, 1e6) || !near(r.Min, 1e3) {
		t.Errorf("%+v", r)
	}
	l.Shard(0).Record(-time.Hour)
	l.Shard(1).Record(1000 * time.Hour)
	if r := l.Report(); r.Count != 1002 || r.Min != 0 || !near(r.Max, 48*3600e6) {
		t.Errorf("%+v", r)
	}
}

func TestBucketQuantile(t *testing.T) {
	bounds := []float64{0, 1e-6, 1e-5, math.Inf(1)}
	for q, want := range map[float64]float64{0.5: 1, 0.7: 10, 0.99: 10} {
		if got := bench.BucketQuantile([]uint64{6, 3, 1}, bounds, q); got != want {
			t.Errorf("%v: %v µs, want %v", q, got, want)
		}
	}
	if bench.BucketQuantile([]uint64{0, 0, 0}, bounds, 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}

// TestNoteClient holds when ctl says that it is itself what limits the result.
func TestNoteClient(t *testing.T) {
	used := func(x float64) *float64 { return &x }
	latency := bench.LatencyReport{Count: 1, P50: 1000, P99: 4000}
	for _, tt := range []struct {
		report bench.ClientReport
		want   string
	}{
		{bench.ClientReport{Processors: 2, ProcessorsUsed: used(1.9)}, "ctl used 1.90 of its 2 processors"},
		{bench.ClientReport{Processors: 2, ProcessorsUsed: used(1)}, ""},
		{bench.ClientReport{Processors: 2, SchedulingDelayMicroseconds: bench.Delays{P50: 300, P99: 400}}, "ctl itself waited for a processor"},
		{bench.ClientReport{Processors: 2, SchedulingDelayMicroseconds: bench.Delays{P50: 1, P99: 2100}}, "ctl itself waited for a processor"},
		{bench.ClientReport{Processors: 2, SchedulingDelayMicroseconds: bench.Delays{P50: 200, P99: 1900}}, ""},
	} {
		b := &bench.Bench{}
		b.NoteClient(&tt.report, latency)
		if got := strings.Join(b.Notes, "\n"); (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.report, got, tt.want)
		}
	}
}

// TestSources holds from where connections come.
func TestSources(t *testing.T) {
	given, err := bench.SourceAddresses("tcp", "10.0.0.1:1", []string{"127.0.0.3", "::1"}, 1, false)
	if err != nil || len(given) != 2 || given[0].String() != "127.0.0.3:0" || given[1].String() != "[::1]:0" {
		t.Errorf("%v, %v", given, err)
	}
	for _, tt := range []struct {
		address string
		sockets int
		churn   bool
		want    int
	}{
		{"127.0.0.1:1", 100, false, 0}, {"127.0.0.1:1", 50_000, false, 3}, {"127.0.0.1:1", 1, true, bench.ChurnSources},
		{"10.0.0.1:1", 50_000, true, 0}, {"localhost:1", 1, true, 0}, {"[::1]:1", 1, true, 0},
	} {
		found, err := bench.SourceAddresses("tcp", tt.address, nil, tt.sockets, tt.churn)
		if err != nil || len(found) != tt.want && len(found) != 0 { // a system may have 127.0.0.1 only
			t.Errorf("%+v: %v, %v", tt, found, err)
		}
	}
	seen := make(chan netip.Addr, 2)
	addr := server(t, func(_ int, conn net.Conn) {
		seen <- conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
	})
	if len(bench.LoopbackSources(addr, 2)) == 0 {
		t.Skip("this system has no 127.0.0.2")
	}
	newBenchRun(t.Context(), "127.0.0.1:1").run("idle -c 2 -d 10ms --source 127.0.0.2,127.0.0.3", addr)
	if a, b := <-seen, <-seen; a == b || !strings.HasPrefix(a.String(), "127.0.0.") {
		t.Errorf("connections came from %s and %s", a, b)
	}
}
