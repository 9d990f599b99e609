// Package result keeps measurements, compares contestants, and shows the results as tables and plots.
package result

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Kind says which quantity a workload measures.
type Kind string

// The kinds. The brackets have the things that Measurement.Count counts.
const (
	Echo      Kind = "echo"      // one message in flight on every connection [messages]
	Fixed     Kind = "fixed"     // messages at a fixed rate [messages]
	Churn     Kind = "churn"     // connections that come and go [connections]
	Idle      Kind = "idle"      // memory of connections that do nothing
	Broadcast Kind = "broadcast" // one message to all connections [broadcasts]
	Kick      Kind = "kick"      // a connection is ended by the control plane [kicks]
	Flood     Kind = "flood"     // messages at a fixed rate, beside handshakes that never end [messages]
)

// Workload is one way to load a server.
type Workload struct {
	Name  string `json:"name"`
	Kind  Kind   `json:"kind"`
	Size  int    `json:"size"`  // bytes of a message
	Conns int    `json:"conns"` // connections; Churn: at a time
	TLS   bool   `json:"tls,omitempty"`
	GOGC  int    `json:"gogc,omitempty"` // in the environment of servers; 0 leaves it as it is
	Text  string `json:"text"`
}

// Measurement is one contestant under one workload in one round.
type Measurement struct {
	Round      int         `json:"round"` // from 1
	Workload   string      `json:"workload"`
	Contestant string      `json:"contestant"`
	Count      uint64      `json:"count,omitempty"`
	Elapsed    float64     `json:"elapsed_seconds,omitempty"`
	CPU        float64     `json:"server_cpu_seconds,omitempty"`
	User       float64     `json:"server_user_seconds,omitempty"`   // in ticks of 10 ms
	System     float64     `json:"server_system_seconds,omitempty"` // in ticks of 10 ms
	LoadCPU    float64     `json:"load_cpu_seconds,omitempty"`
	Others     float64     `json:"others,omitempty"`     // share of all measured cores that other programs took
	AskedRate  float64     `json:"asked_rate,omitempty"` // Fixed: messages a second
	Unanswered uint64      `json:"unanswered,omitempty"` // Fixed: see load.Result
	Latency    Percentiles `json:"latency_ns,omitzero"`
	IdleBytes  float64     `json:"idle_bytes,omitempty"`     // Idle: resident bytes for each silent connection
	EchoBytes  float64     `json:"echoed_bytes,omitempty"`   // Idle: the same after each has echoed once
	Resident   float64     `json:"resident_bytes,omitempty"` // Idle: the server's, before those connections
	Held       int         `json:"held,omitempty"`           // Flood: attackers connected, the lesser of two counts
	Cut        float64     `json:"cut_a_second,omitempty"`   // Flood: attackers that the server cut and that came again
	// Flood: the server's open descriptors at the end: files, clients, and the attackers that it had accepted.
	Descriptors int `json:"server_descriptors,omitempty"`
}

// Percentiles of a latency, in nanoseconds.
type Percentiles struct {
	P50  int64 `json:"p50"`
	P90  int64 `json:"p90"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p99.9"`
	Max  int64 `json:"max"`
}

// Results is a whole comparison.
type Results struct {
	Date         time.Time         `json:"date"`
	Machine      map[string]string `json:"machine"`  // kernel, cpu, …
	Versions     map[string]string `json:"versions"` // of each contestant
	Notes        []string          `json:"notes,omitempty"`
	Rounds       int               `json:"rounds"`
	Seconds      float64           `json:"seconds"` // of a measurement
	ServerCores  string            `json:"server_cores"`
	LoadCores    string            `json:"load_cores"`
	Contestants  []string          `json:"contestants"`
	Workloads    []Workload        `json:"workloads"`
	Measurements []Measurement     `json:"measurements"`
}

// Metric returns one figure of a measurement; NaN when it has none.
type Metric func(*Measurement) float64

// The metrics.
var (
	Rate         Metric = func(m *Measurement) float64 { return over(float64(m.Count), m.Elapsed) }
	PerCPUSecond Metric = func(m *Measurement) float64 { return over(float64(m.Count), m.CPU) }
	CPUEach      Metric = func(m *Measurement) float64 { return over(m.CPU, float64(m.Count)) }
	Kernel       Metric = func(m *Measurement) float64 { return over(m.System, m.User+m.System) }
	Busy         Metric = func(m *Measurement) float64 { return over(m.CPU, m.Elapsed) }
	LoadBusy     Metric = func(m *Measurement) float64 { return over(m.LoadCPU, m.Elapsed) }
	Others       Metric = func(m *Measurement) float64 { return m.Others }
	P50          Metric = func(m *Measurement) float64 { return known(float64(m.Latency.P50) / 1e9) }
	P90          Metric = func(m *Measurement) float64 { return known(float64(m.Latency.P90) / 1e9) }
	P99          Metric = func(m *Measurement) float64 { return known(float64(m.Latency.P99) / 1e9) }
	P999         Metric = func(m *Measurement) float64 { return known(float64(m.Latency.P999) / 1e9) }
	AskedRate    Metric = func(m *Measurement) float64 { return known(m.AskedRate) }
	Unanswered   Metric = func(m *Measurement) float64 { return float64(m.Unanswered) }
	IdleBytes    Metric = func(m *Measurement) float64 { return known(m.IdleBytes) }
	EchoBytes    Metric = func(m *Measurement) float64 { return known(m.EchoBytes) }
	Resident     Metric = func(m *Measurement) float64 { return known(m.Resident) }
	Held         Metric = func(m *Measurement) float64 { return known(float64(m.Held)) }
	Cut          Metric = func(m *Measurement) float64 { return known(m.Cut) }
	Descriptors  Metric = func(m *Measurement) float64 { return known(float64(m.Descriptors)) }
)

func known(x float64) float64 { return over(x, 1) }

func over(a, b float64) float64 {
	if a == 0 || b == 0 {
		return math.NaN()
	}
	return a / b
}

// Median returns the middle of the known values, or the mean of the two middle ones; NaN when no value is known.
func Median(values []float64) float64 {
	s := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(s) == 0 {
		return math.NaN()
	}
	slices.Sort(s)
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// values returns a metric of each round of a contestant under a workload; NaN for rounds without it.
func (r *Results) values(workload, contestant string, m Metric) []float64 {
	all := make([]float64, r.Rounds)
	for i := range all {
		all[i] = math.NaN()
	}
	for i := range r.Measurements {
		x := &r.Measurements[i]
		if x.Workload == workload && x.Contestant == contestant && x.Round >= 1 && x.Round <= r.Rounds {
			all[x.Round-1] = m(x)
		}
	}
	return all
}

// Median returns the median of a metric over the rounds; NaN when it was not measured.
func (r *Results) Median(workload, contestant string, m Metric) float64 {
	return Median(r.values(workload, contestant, m))
}

// Ratio returns the ratio of a contestant's metric to another's. It is the median of the rounds' ratios, not the ratio
// of the medians, because the measurements of one round are neighbours in time. It is NaN when one of them was not
// measured.
func (r *Results) Ratio(workload, contestant, to string, m Metric) float64 {
	return Median(r.roundRatios(workload, contestant, to, m))
}

// RatioRange returns the smallest and the largest of the rounds' ratios, whose median Ratio returns; NaN when there are
// none.
func (r *Results) RatioRange(workload, contestant, to string, m Metric) (least, most float64) {
	s := slices.DeleteFunc(r.roundRatios(workload, contestant, to, m), math.IsNaN)
	if len(s) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(s), slices.Max(s)
}

// roundRatios returns the ratio in each round; NaN where one of the two was not measured.
func (r *Results) roundRatios(workload, contestant, to string, m Metric) []float64 {
	a, b := r.values(workload, contestant, m), r.values(workload, to, m)
	for i := range a {
		a[i] = over(a[i], b[i])
	}
	return a
}

// Spread returns how far the rounds lie apart: the difference of the largest and the smallest, as a share of the
// median. It is NaN when there are fewer than two.
func (r *Results) Spread(workload, contestant string, m Metric) float64 {
	s := slices.DeleteFunc(r.values(workload, contestant, m), math.IsNaN)
	if len(s) < 2 {
		return math.NaN()
	}
	return over(slices.MaxFunc(s, cmp.Compare)-slices.MinFunc(s, cmp.Compare), Median(s))
}

// measured reports whether a workload has any measurement.
func (r *Results) measured(workload string) bool {
	return slices.ContainsFunc(r.Measurements, func(m Measurement) bool { return m.Workload == workload })
}

// tookPart reports whether a contestant has a measurement for any of these workloads.
func (r *Results) tookPart(workloads []Workload, contestant string) bool {
	return slices.ContainsFunc(r.Measurements, func(m Measurement) bool {
		return m.Contestant == contestant &&
			slices.ContainsFunc(workloads, func(w Workload) bool { return w.Name == m.Workload })
	})
}
