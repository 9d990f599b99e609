package result

import (
	"math"
	"strings"
	"testing"
	"time"
)

// sample returns two contestants in three rounds; the machine was half as fast in the second.
func sample() *Results {
	r := &Results{
		Date:     time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		Machine:  map[string]string{"cpu": "Abacus", "kernel": "Linux 1", "go": "go1", "cores": "2"},
		Versions: map[string]string{"c": "cc 1", "gateway": "v1"}, Rounds: 3, Seconds: 3, ServerCores: "0", LoadCores: "1",
		Contestants: []string{"c", "gateway"},
		Workloads: []Workload{
			{Name: "echo-64-100", Kind: Echo, Size: 64, Conns: 100, Text: "small messages"},
			{Name: "idle-18000", Kind: Idle, Size: 64, Conns: 18000, Text: "nothing"},
			{Name: "fixed-64-100", Kind: Fixed, Size: 64, Conns: 100, Text: "a rate"},
			{Name: "broadcast-18000", Kind: Broadcast, Size: 64, Conns: 18000, Text: "to all"},
			{Name: "churn", Kind: Churn, Size: 64, Conns: 50, Text: "comings and goings"},
		},
	}
	add := func(round int, workload, contestant string, count uint64, cpu float64) {
		r.Measurements = append(r.Measurements, Measurement{Round: round, Workload: workload, Contestant: contestant,
			Count: count, Elapsed: 2, CPU: cpu, User: cpu / 4, System: 3 * cpu / 4, LoadCPU: 1, Others: 0.21,
			Latency: Percentiles{P50: 50e3, P90: 90e3, P99: 990e3, P999: 9990e3}})
	}
	for i, speed := range []uint64{1000_000, 500_000, 1100_000} {
		add(i+1, "echo-64-100", "c", speed, 2)
		add(i+1, "echo-64-100", "gateway", speed*8/10, 2)
	}
	r.Measurements = append(r.Measurements,
		Measurement{Round: 1, Workload: "idle-18000", Contestant: "c", IdleBytes: 64, EchoBytes: 65},
		Measurement{Round: 1, Workload: "idle-18000", Contestant: "gateway", IdleBytes: 640, EchoBytes: 1300},
		Measurement{Round: 1, Workload: "fixed-64-100", Contestant: "gateway", Count: 10, Elapsed: 1, CPU: 1,
			AskedRate: 12345, Unanswered: 7,
			Latency: Percentiles{P50: 50e3, P90: 90e3, P99: 990e3, P999: 9990e3}},
		Measurement{Round: 1, Workload: "broadcast-18000", Contestant: "gateway", Count: 4, Elapsed: 1, CPU: 0.72,
			Latency: Percentiles{P50: 200e6}})
	return r
}

func TestMedian(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{nan, 5, nan}, 5}, {[]float64{7}, 7}} {
		if got := Median(c.values); got != c.want {
			t.Errorf("of %v: %g; expected %g", c.values, got, c.want)
		}
	}
	if got := Median([]float64{nan}); !math.IsNaN(got) {
		t.Errorf("of nothing: %g", got)
	}
}

// TestRatioIsOfNeighbours holds that a ratio compares within a round: each has 0.8, however fast the machine was.
func TestRatioIsOfNeighbours(t *testing.T) {
	r := sample()
	for i := range r.Measurements { // if medians were compared, a round without its neighbour would count
		if m := &r.Measurements[i]; m.Round == 3 && m.Contestant == "c" {
			m.Workload = "elsewhere"
		}
	}
	if got := r.Ratio("echo-64-100", "gateway", "c", PerCPUSecond); math.Abs(got-0.8) > 1e-9 {
		t.Errorf("ratio %g; expected 0.8", got)
	}
	if got := r.Ratio("echo-64-100", "gateway", "gnet", PerCPUSecond); !math.IsNaN(got) {
		t.Errorf("ratio to one that was not measured: %g", got)
	}
}

func TestFiguresOfAContestant(t *testing.T) {
	r := sample()
	for name, c := range map[string]struct{ got, want float64 }{
		"messages per CPU-second": {r.Median("echo-64-100", "c", PerCPUSecond), 500_000},
		"messages per second":     {r.Median("echo-64-100", "c", Rate), 500_000},
		"CPU of each":             {r.Median("echo-64-100", "c", CPUEach), 2e-6},
		"in kernel":               {r.Median("echo-64-100", "c", Kernel), 0.75},
		"server busy":             {r.Median("echo-64-100", "c", Busy), 1},
		"p99":                     {r.Median("echo-64-100", "c", P99), 990e-6},
		"spread":                  {r.Spread("echo-64-100", "c", PerCPUSecond), 0.6},
	} {
		if math.Abs(c.got-c.want) > 1e-9*c.want {
			t.Errorf("%s: %g; expected %g", name, c.got, c.want)
		}
	}
}

func TestTables(t *testing.T) {
	got := sample().Tables()
	for _, want := range []string{
		"Measured on 2026-01-02: Abacus (2 cores), Linux 1, go1. 3 rounds of 3 s; servers on core 0, load on core 1.",
		"Versions: c cc 1, gateway v1.",
		"| contestant | echo-64-100 | idle-18000, bytes | fixed-64-100 | broadcast-18000 |",
		"| gateway    |        0.80 |               640 |            - |               - |",
		"### `echo-64-100`\n\nSmall messages.\n",
		"| contestant | messages per CPU-second | spread |  × c | CPU each | in kernel |",
		"| c          |                 500,000 |   60 % | 1.00 |  2.00 µs |      75 % |",
		"| gateway    |                 400,000 |   60 % | 0.80 |  2.50 µs |      75 % |",
		"Note: other programs had 21 % of these cores",
		"| contestant | messages/s | server busy | load busy | others |     p50 |    p99 |   p99.9 |",
		"| c          |    500,000 |       100 % |      50 % |   21 % | 50.0 µs | 990 µs | 9.99 ms |",
		"| gateway    |        640 | 10.0 |",
		"| gateway    |                     1,300 | 20.0 |",
		"|  12,345 |          7 |",
		"| gateway    |                200 ms |     180 ms |            10.0 µs |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the tables have no\n%s\nin\n%s", want, got)
		}
	}
	if strings.Contains(got, "churn") {
		t.Error("a workload that was not measured has a table")
	}
}

func TestFormats(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(999.6): "1,000", count(1234567): "1,234,567", count(-1500): "-1,500", count(math.NaN()): "-",
		duration(1.5): "1.50 s", duration(0.9999): "1.00 s", duration(0.0123): "12.3 ms", duration(99.96e-6): "100 µs",
		duration(5e-9): "5.00 ns", ratio(0.8449): "0.84", ratio(71.67): "71.7", ratio(392): "392", percent(0.756): "76 %",
		tick(1e-5): "10 µs", tick(1): "1 s", tick(1e-4): "100 µs",
	} {
		if got != want {
			t.Errorf("%q; expected %q", got, want)
		}
	}
}

func TestInsert(t *testing.T) {
	const document = "# Title\n\n<!-- results -->\nold\n<!-- end -->\n\nmore\n"
	once, err := Insert(document, "new\n")
	if want := "# Title\n\n<!-- results -->\n\nnew\n\n<!-- end -->\n\nmore\n"; once != want || err != nil {
		t.Errorf("%q, %v; expected %q", once, err, want)
	}
	if again, err := Insert(once, "new\n"); again != once || err != nil {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for _, bad := range []string{"", "<!-- results -->", "<!-- end --> <!-- results -->", document + document} {
		if _, err := Insert(bad, "x"); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestSharesOverTLS holds that measurements over TLS have a table of their own, relative to the net server, and that a
// contestant without TLS has no row there.
func TestSharesOverTLS(t *testing.T) {
	r := sample()
	r.Contestants = append(r.Contestants, "net")
	r.Workloads = append(r.Workloads, Workload{Name: "tls-echo-64-100", Kind: Echo, TLS: true},
		Workload{Name: "tls-idle-3000", Kind: Idle, TLS: true})
	r.Measurements = append(r.Measurements,
		Measurement{Round: 1, Workload: "tls-echo-64-100", Contestant: "gateway", Count: 300, CPU: 1},
		Measurement{Round: 1, Workload: "tls-echo-64-100", Contestant: "net", Count: 200, CPU: 1},
		Measurement{Round: 1, Workload: "tls-idle-3000", Contestant: "gateway", IdleBytes: 9000, EchoBytes: 9001})
	got := r.Tables()
	for _, want := range []string{
		"as a share of the C server's; more is better:\n\n| contestant | echo-64-100 |",
		"as a share of the net server's:\n\n| contestant | tls-echo-64-100 | tls-idle-3000, bytes |\n",
		"|\n| gateway    |            1.50 |                9,000 |\n" +
			"| net        |            1.00 |                    - |\n\n###",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the tables have no\n%s\nin\n%s", want, got)
		}
	}
	if r.Measurements = r.Measurements[:2]; strings.Contains(r.Tables(), "net server's") {
		t.Error("there is a table of shares over TLS although nothing was measured")
	}
}

// TestFloodTables holds that each flooded phase is compared with the undisturbed one of its round, and that the table
// shows the range of the ratios.
func TestFloodTables(t *testing.T) {
	r := sample()
	r.Contestants = []string{Undisturbed("gateway"), Flooded("gateway")}
	r.Workloads = []Workload{{Name: "flood-1000", Kind: Flood, Text: "many"}}
	r.Measurements = nil
	for i, p99 := range [][2]int64{{100e3, 110e3}, {400e3, 600e3}, {200e3, 200e3}} {
		for j, name := range r.Contestants {
			m := Measurement{Round: i + 1, Workload: "flood-1000", Contestant: name, Count: 5000, Elapsed: 1,
				CPU:     0.1 * float64(j+1),
				Latency: Percentiles{P50: 50e3, P99: p99[j], P999: 1e6}}
			if j == 1 {
				m.Held, m.Cut, m.Descriptors = 7000, 840, 8010
			}
			r.Measurements = append(r.Measurements, m)
		}
	}
	got := r.FloodTables()
	for _, want := range []string{
		"### `flood-1000`\n\nMany.\n",
		"| gateway, undisturbed | 50.0 µs | 200 µs |",
		"|              - |     - |                    - |",
		"|          7,000 |   840 |                8,010 |",
		"| flooded ÷ undisturbed |  p50 |       rounds |  p99 |       rounds |",
		"| gateway               | 1.00 | 1.00 to 1.00 | 1.10 | 1.00 to 1.50 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the tables have no\n%s\nin\n%s", want, got)
		}
	}
}
