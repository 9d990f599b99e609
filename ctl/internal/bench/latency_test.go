package bench

import (
	"testing"
	"time"
)

// TestLatencies holds that the shards are one histogram, and that values out of its bounds are kept at them.
func TestLatencies(t *testing.T) {
	l := newLatencies()
	for i := range 1000 {
		l.shard(i).record(time.Duration(i+1) * time.Millisecond)
	}
	r := l.report()
	if r.Count != 1000 || l.count() != 1000 || !near(r.P50, 500e3) || !near(r.P90, 900e3) || !near(r.P99, 990e3) ||
		!near(r.P999, 999e3) || !near(r.Max, 1e6) || !near(r.Min, 1e3) {
		t.Errorf("%+v", r)
	}
	l.shard(0).record(-time.Hour)
	l.shard(1).record(1000 * time.Hour)
	if r := l.report(); r.Count != 1002 || r.Min != 0 || !near(r.Max, 48*3600e6) {
		t.Errorf("%+v", r)
	}
}
