package result

import (
	"fmt"
	"strings"
)

// FleetTables returns the tables of a fleet as Markdown that reads well as plain text: for each workload the two that
// were compared, and the ratio of the second to the first with the range of the rounds.
func (r *Results) FleetTables() string {
	var b strings.Builder
	b.WriteString(r.Conditions())
	for _, w := range r.Workloads {
		if !r.measured(w.Name) {
			continue
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n%s.\n\n", w.Name, capital(w.Text))
		rows := [][]string{{""}}
		var both []string
		for _, name := range r.Contestants {
			if r.tookPart([]Workload{w}, name) {
				both = append(both, name)
			}
		}
		rows[0] = append(rows[0], both...)
		rows[0] = append(rows[0], "ratio", "rounds")
		for _, f := range w.figures() {
			row := []string{f.title}
			for _, name := range both {
				row = append(row, f.format(r.Median(w.Name, name, f.of)))
			}
			first, last := both[0], both[len(both)-1]
			least, most := r.RatioRange(w.Name, last, first, f.of)
			rows = append(rows, append(row, ratio(r.Ratio(w.Name, last, first, f.of)), interval(least, most)))
		}
		b.WriteString(Markdown(rows))
	}
	return b.String()
}

// figure is a row of a workload's table.
type figure struct {
	title  string
	of     Metric
	format func(float64) string
}

// figures returns the rows for a workload of a fleet.
func (w Workload) figures() []figure {
	switch w.Kind {
	case Idle:
		return []figure{{"bytes of each connection", IdleBytes, count}, {"the same after one echo", EchoBytes, count},
			{"bytes of the process before", Resident, count}}
	case Broadcast:
		return []figure{{"until the last has it, p50", P50, duration}, {"p99", P99, duration},
			{"CPU of all nodes", CPUEach, duration}}
	case Kick:
		return []figure{{"p50", P50, duration}, {"p99", P99, duration}}
	}
	return []figure{{"messages/s", Rate, count}, {"messages per CPU-second", PerCPUSecond, count}, {"p50", P50, duration},
		{"p99", P99, duration}}
}
