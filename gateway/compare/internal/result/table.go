package result

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Tables returns all tables as Markdown that reads well as plain text.
func (r *Results) Tables() string {
	var b strings.Builder
	b.WriteString(r.Conditions())
	b.WriteString(r.summary())
	for _, w := range r.Workloads {
		if !r.measured(w.Name) {
			continue
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n%s.\n", w.Name, capital(w.Text))
		for _, columns := range r.columns(w) {
			b.WriteString("\n" + r.table(w, columns))
		}
	}
	return b.String()
}

// summary returns two tables with the headline of each workload: work per second of server CPU time as a share of the
// reference's, and bytes for idle connections. Plain workloads come first, then those over TLS.
func (r *Results) summary() string {
	return r.shares("Work per second of server CPU time, as a share of the C server's; more is better",
		Workload{}.reference(), false) +
		r.shares("The same over TLS, as a share of the net server's", Workload{TLS: true}.reference(), true)
}

// shares returns one of the summary's tables, below a title. It is empty when its reference was not measured.
func (r *Results) shares(title, reference string, tls bool) string {
	workloads := slices.DeleteFunc(slices.Clone(r.Workloads),
		func(w Workload) bool { return w.TLS != tls || !r.measured(w.Name) })
	if len(workloads) == 0 || !r.tookPart(workloads, reference) {
		return ""
	}
	rows := [][]string{{"contestant"}}
	for _, w := range workloads {
		head := w.Name
		if w.Kind == Idle {
			head += ", bytes"
		}
		rows[0] = append(rows[0], head)
	}
	for _, name := range r.Contestants {
		if !r.tookPart(workloads, name) {
			continue
		}
		row := []string{name}
		for _, w := range workloads {
			cell := ratio(r.Ratio(w.Name, name, reference, PerCPUSecond))
			if w.Kind == Idle {
				cell = count(r.Median(w.Name, name, IdleBytes))
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return "\n" + title + ":\n\n" + Markdown(rows)
}

// quiet is the share of the cores that other programs may take without a note.
const quiet = 0.05

// Conditions says when, where and how the measurements were made.
func (r *Results) Conditions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s: %s (%s cores), %s, %s. %s of %g s; servers on core %s, load on core %s.\n",
		r.Date.Format("2006-01-02"), r.Machine["cpu"], r.Machine["cores"], r.Machine["kernel"], r.Machine["go"],
		plural(r.Rounds, "round"), r.Seconds, r.ServerCores, r.LoadCores)
	b.WriteString("Versions: ")
	for i, name := range slices.Sorted(maps.Keys(r.Versions)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", name, r.Versions[name])
	}
	b.WriteString(".\n")
	var others []float64
	for i := range r.Measurements {
		if m := &r.Measurements[i]; m.CPU > 0 {
			others = append(others, m.Others)
		}
	}
	if typical := Median(others); typical > quiet {
		fmt.Fprintf(&b, "Note: other programs had %s of these cores, in the median, while it was measured: "+
			"rates and latencies are theirs too, and the spread is wide.\n", percent(typical))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "Note: %s.\n", note)
	}
	return b.String()
}

// column is a column of a table.
type column struct {
	title string
	value func(contestant string) string
}

// table returns the table of a workload, with a row for each contestant that was measured.
func (r *Results) table(w Workload, columns []column) string {
	head := []string{"contestant"}
	for _, c := range columns {
		head = append(head, c.title)
	}
	rows := [][]string{head}
	for _, name := range r.Contestants {
		if !r.tookPart([]Workload{w}, name) {
			continue
		}
		row := []string{name}
		for _, c := range columns {
			row = append(row, c.value(name))
		}
		rows = append(rows, row)
	}
	return Markdown(rows)
}

// columns returns the columns of a workload's tables, which depend on its kind.
func (r *Results) columns(w Workload) [][]column {
	median := func(title string, m Metric, format func(float64) string) column {
		return column{title, func(name string) string { return format(r.Median(w.Name, name, m)) }}
	}
	switch w.Kind {
	case Idle:
		return [][]column{
			slices.Concat([]column{median("bytes each", IdleBytes, count)}, r.ratios(w, IdleBytes)),
			slices.Concat([]column{median("bytes each after one echo", EchoBytes, count)}, r.ratios(w, EchoBytes)),
		}
	case Broadcast:
		perConn := func(m *Measurement) float64 { return CPUEach(m) / float64(w.Conns) }
		return [][]column{slices.Concat(
			[]column{median("until the last has it", P50, duration), median("server CPU", CPUEach, duration)},
			r.ratios(w, CPUEach),
			[]column{median("CPU per connection", perConn, duration)})}
	}
	unit := "messages"
	if w.Kind == Churn {
		unit = "connections"
	}
	cost := slices.Concat([]column{
		median(unit+" per CPU-second", PerCPUSecond, count),
		{"spread", func(name string) string { return percent(r.Spread(w.Name, name, PerCPUSecond)) }},
	}, r.ratios(w, PerCPUSecond), []column{median("CPU each", CPUEach, duration), median("in kernel", Kernel, percent)})
	seen := []column{
		median(unit+"/s", Rate, count), median("server busy", Busy, percent), median("load busy", LoadBusy, percent),
		median("others", Others, percent),
		median("p50", P50, duration), median("p99", P99, duration), median("p99.9", P999, duration),
	}
	if w.Kind == Fixed {
		seen = append(seen, median("asked/s", AskedRate, count), median("unanswered", Unanswered, count))
	}
	return [][]column{cost, seen}
}

// references are the contestants that the others are compared with.
var references = []string{"c", "gnet", "nbio", "net"}

// reference returns the contestant that headlines compare a workload's others with: the C server, or net over TLS,
// which the C server lacks.
func (w Workload) reference() string {
	if w.TLS {
		return "net"
	}
	return references[0]
}

// ratios returns a column for each reference that was measured.
func (r *Results) ratios(w Workload, m Metric) []column {
	var columns []column
	for _, to := range references {
		if math.IsNaN(r.Median(w.Name, to, m)) {
			continue
		}
		columns = append(columns, column{"× " + to, func(name string) string { return ratio(r.Ratio(w.Name, name, to, m)) }})
	}
	return columns
}

// Markdown returns rows as an aligned table that reads well as plain text. The first row is the head.
func Markdown(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("| " + cell + pad)
			} else {
				b.WriteString(" | " + pad + cell)
			}
		}
		b.WriteString(" |\n")
	}
	line(rows[0])
	for i, n := range widths {
		if i == 0 {
			b.WriteString("|" + strings.Repeat("-", n+2))
		} else {
			b.WriteString("|" + strings.Repeat("-", n+1) + ":")
		}
	}
	b.WriteString("|\n")
	for _, row := range rows[1:] {
		line(row)
	}
	return b.String()
}

// Line sums a measurement up in one line.
func (m *Measurement) Line(kind Kind) string {
	switch kind {
	case Idle:
		return fmt.Sprintf("%s bytes each, %s after one echo", count(m.IdleBytes), count(m.EchoBytes))
	case Broadcast:
		return fmt.Sprintf("%s until the last has it, %s server CPU", duration(P50(m)), duration(CPUEach(m)))
	}
	if kind == Kick {
		return fmt.Sprintf("p50 %s, p99 %s", duration(P50(m)), duration(P99(m)))
	}
	return fmt.Sprintf("%s/s, %s per server-CPU-second, p99 %s", count(Rate(m)), count(PerCPUSecond(m)), duration(P99(m)))
}
