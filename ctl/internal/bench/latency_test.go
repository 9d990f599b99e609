package bench

import (
	"testing"
	"time"
)

// TestLatencies holds that the shards are one histogram, and that what is out of its bounds is kept at them.
func TestLatencies(t *testing.T) {
	l := NewLatencies()
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
