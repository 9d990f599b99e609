package bench

import (
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

const (
	finestLatency = 128 * time.Nanosecond
	latencyDigits = 3
)

// latencies is a histogram that many goroutines record into. It is split into shards: with one lock, 10,000
// connections would measure that lock, and a histogram for each of them would take gigabytes.
type latencies struct{ shards []latencyShard }

type latencyShard struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
	last      time.Duration // the latest reading of now() that came with a record
	_         [64]byte      // the next one's lock is on another cache line
}

// newLatencies makes an empty histogram, four shards for each processor.
func newLatencies() *latencies {
	l := &latencies{shards: make([]latencyShard, 4*runtime.GOMAXPROCS(0))}
	for i := range l.shards {
		l.shards[i].histogram = newHistogram()
	}
	return l
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(finestLatency), int64(2*maxBenchDuration), latencyDigits)
}

// shard returns the shard that goroutine number i records into.
func (l *latencies) shard(i int) *latencyShard { return &l.shards[i%len(l.shards)] }

// record takes one latency. A negative one, which the clocks of two processes may make, counts as 0.
func (s *latencyShard) record(d time.Duration) {
	s.mu.Lock()
	s.add(d)
	s.mu.Unlock()
}

// add is record for a caller that holds the lock.
func (s *latencyShard) add(d time.Duration) {
	// In bounds, it cannot fail.
	_ = s.histogram.RecordValue(int64(min(max(d, 0), 2*maxBenchDuration)))
}

// merged sums all shards up.
func (l *latencies) merged() *hdrhistogram.Histogram {
	sum := newHistogram()
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		sum.Merge(s.histogram)
		s.mu.Unlock()
	}
	return sum
}

// count is the number of latencies so far.
func (l *latencies) count() (n int64) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += s.histogram.TotalCount()
		s.mu.Unlock()
	}
	return n
}

// last is the latest reading of now() that came with a record.
func (l *latencies) last() (t time.Duration) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		t = max(t, s.last)
		s.mu.Unlock()
	}
	return t
}

// latencyReport sums a histogram up, in microseconds.
type latencyReport struct {
	Count int64   `json:"count"`
	Min   float64 `json:"min"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

// report sums up everything so far.
func (l *latencies) report() latencyReport {
	h := l.merged()
	if h.TotalCount() == 0 {
		return latencyReport{}
	}
	at := func(percentile float64) float64 { return microseconds(time.Duration(h.ValueAtPercentile(percentile))) }
	return latencyReport{
		Count: h.TotalCount(), Min: microseconds(time.Duration(h.Min())), Mean: microseconds(time.Duration(h.Mean())),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: microseconds(time.Duration(h.Max())),
	}
}

func microseconds(d time.Duration) float64 { return rounded(float64(d) / float64(time.Microsecond)) }

// rounded is x with at most three digits after the point.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

func seconds(d time.Duration) float64 { return rounded(d.Seconds()) }

// latencyText shows a number of microseconds with three digits or so.
func latencyText(us float64) string {
	d := time.Duration(us * float64(time.Microsecond))
	for _, step := range []time.Duration{time.Microsecond, time.Millisecond, time.Second} {
		if d < 10*step {
			return d.Round(step / 100).String()
		}
		if d < 100*step {
			return d.Round(step / 10).String()
		}
		if d < 1000*step && step < time.Second {
			return d.Round(step).String()
		}
	}
	return d.Round(time.Second).String()
}

// addLatency adds a row; one without values is left out.
func addLatency(t *app.Table, what string, r latencyReport) {
	if r.Count > 0 {
		t.Add(what, latencyText(r.P50), latencyText(r.P90), latencyText(r.P99), latencyText(r.P999), latencyText(r.Max),
			countText(r.Count))
	}
}

func newLatencyTable(a *app.App) *app.Table {
	return a.NewTable("LATENCY", "P50", "P90", "P99", "P99.9", "MAX", "COUNT")
}
