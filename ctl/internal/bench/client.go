package bench

import (
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// clientLoad is the cost of the benchmark on its own side.
type clientLoad struct {
	processor time.Duration
	known     bool
	waits     *metrics.Float64Histogram // how long goroutines that could run waited for a processor
	at        time.Time
}

func measureLoad() clientLoad {
	var l clientLoad
	l.processor, l.known = processorTime()
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindFloat64Histogram {
		l.waits = sample[0].Value.Float64Histogram()
	}
	l.at = time.Now()
	return l
}

// clientReport says which part of the result may be ctl's own.
type clientReport struct {
	Processors                  int      `json:"processors"`
	ProcessorSeconds            *float64 `json:"processorSeconds"` // null where it is not known
	ProcessorsUsed              *float64 `json:"processorsUsed"`
	SchedulingDelayMicroseconds delays   `json:"schedulingDelayMicroseconds"`
}

// delays are quantiles of the time that goroutines waited for a processor.
type delays struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// since reports the use since an earlier measurement.
func (l *clientLoad) since(before *clientLoad) clientReport {
	r := clientReport{Processors: runtime.GOMAXPROCS(0)}
	if l.known && before.known && l.at.After(before.at) {
		used := l.processor - before.processor
		total, share := seconds(used), rounded(used.Seconds()/l.at.Sub(before.at).Seconds())
		r.ProcessorSeconds, r.ProcessorsUsed = &total, &share
	}
	if l.waits != nil && before.waits != nil {
		counts := make([]uint64, len(l.waits.Counts))
		for i := range counts {
			counts[i] = l.waits.Counts[i] - before.waits.Counts[i]
		}
		r.SchedulingDelayMicroseconds = delays{P50: bucketQuantile(counts, l.waits.Buckets, 0.5),
			P99: bucketQuantile(counts, l.waits.Buckets, 0.99)}
	}
	return r
}

// bucketQuantile is the upper bound of the bucket that has the quantile, in microseconds.
func bucketQuantile(counts []uint64, bounds []float64, q float64) float64 {
	var total, sum uint64
	for _, n := range counts {
		total += n
	}
	for i, n := range counts {
		if sum += n; n > 0 && float64(sum) >= q*float64(total) {
			bound := bounds[i+1]
			if math.IsInf(bound, 1) {
				bound = bounds[i]
			}
			return rounded(bound * 1e6)
		}
	}
	return 0
}

// text is the row of the table.
func (r *clientReport) text() string {
	wait := fmt.Sprintf("own delay p50 %s p99 %s", latencyText(r.SchedulingDelayMicroseconds.P50),
		latencyText(r.SchedulingDelayMicroseconds.P99))
	if r.ProcessorsUsed == nil {
		return wait
	}
	return fmt.Sprintf("%.2f of %d processors, %s", *r.ProcessorsUsed, r.Processors, wait)
}

// noteClient notes when ctl itself may limit the result: it had no processor to spare, or its goroutines waited for
// one during much of the latency, in microseconds, that it measured.
func (b *benchmark) noteClient(r *clientReport, latency latencyReport) {
	switch wait := r.SchedulingDelayMicroseconds; {
	case r.ProcessorsUsed != nil && *r.ProcessorsUsed > 0.9*float64(r.Processors):
		b.note("ctl used %.2f of its %d processors: it limits this result; use another machine, or several",
			*r.ProcessorsUsed, r.Processors)
	case latency.Count > 0 && wait.P99 > 100 && (wait.P50 > latency.P50/4 || wait.P99 > latency.P99/2):
		b.note("ctl itself waited for a processor (p50 %s, p99 %s) during much of the latency: use fewer connections, a "+
			"--rate, or a machine "+
			"of its own", latencyText(wait.P50), latencyText(wait.P99))
	}
}
