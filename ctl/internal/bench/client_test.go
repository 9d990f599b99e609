package bench

import (
	"math"
	"strings"
	"testing"
)

func TestBucketQuantile(t *testing.T) {
	bounds := []float64{0, 1e-6, 1e-5, math.Inf(1)}
	for q, want := range map[float64]float64{0.5: 1, 0.7: 10, 0.99: 10} {
		if got := bucketQuantile([]uint64{6, 3, 1}, bounds, q); got != want {
			t.Errorf("%v: %v µs, want %v", q, got, want)
		}
	}
	if bucketQuantile([]uint64{0, 0, 0}, bounds, 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}

// TestNoteClient holds when ctl reports that it limits the result itself.
func TestNoteClient(t *testing.T) {
	used := func(x float64) *float64 { return &x }
	latency := latencyReport{Count: 1, P50: 1000, P99: 4000}
	for _, tt := range []struct {
		report clientReport
		want   string
	}{
		{clientReport{Processors: 2, ProcessorsUsed: used(1.9)}, "ctl used 1.90 of its 2 processors"},
		{clientReport{Processors: 2, ProcessorsUsed: used(1)}, ""},
		{clientReport{Processors: 2, SchedulingDelayMicroseconds: delays{P50: 300, P99: 400}},
			"ctl itself waited for a processor"},
		{clientReport{Processors: 2, SchedulingDelayMicroseconds: delays{P50: 1, P99: 2100}},
			"ctl itself waited for a processor"},
		{clientReport{Processors: 2, SchedulingDelayMicroseconds: delays{P50: 200, P99: 1900}}, ""},
	} {
		b := &benchmark{}
		b.noteClient(&tt.report, latency)
		if got := strings.Join(b.notes, "\n"); (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.report, got, tt.want)
		}
	}
}
