package result

import (
	"fmt"
	"math"
	"strings"
)

// Undisturbed names a contestant while no flood is under way.
func Undisturbed(contestant string) string { return contestant + undisturbed }

// Flooded names a contestant while it is flooded.
func Flooded(contestant string) string { return contestant + flooded }

const undisturbed, flooded = ", undisturbed", ", flooded"

// FloodTables returns the tables of floods as Markdown that reads well as plain text: the figures of the established
// clients, and their ratio to the undisturbed figures of the same round.
func (r *Results) FloodTables() string {
	var b strings.Builder
	b.WriteString(r.Conditions())
	for _, w := range r.Workloads {
		if w.Kind == Flood && r.measured(w.Name) {
			fmt.Fprintf(&b, "\n### `%s`\n\n%s.\n\n%s\n%s", w.Name, capital(w.Text),
				r.table(w, r.floodColumns(w)), r.floodRatios(w))
		}
	}
	return b.String()
}

// floodColumns returns the columns of a flood's table.
func (r *Results) floodColumns(w Workload) []column {
	median := func(title string, m Metric, format func(float64) string) column {
		return column{title, func(name string) string { return format(r.Median(w.Name, name, m)) }}
	}
	return []column{
		median("p50", P50, duration), median("p99", P99, duration), median("p99.9", P999, duration),
		median("unanswered", Unanswered, count),
		median("server busy", Busy, percent), median("load busy", LoadBusy, percent), median("others", Others, percent),
		median("attackers held", Held, count), median("cut/s", Cut, count),
		median("server's descriptors", Descriptors, count),
	}
}

// floodRatios returns a table of the ratios of flooded to undisturbed, with a row for each contestant.
func (r *Results) floodRatios(w Workload) string {
	metrics := []struct {
		title string
		of    Metric
	}{{"p50", P50}, {"p99", P99}, {"p99.9", P999}, {"server CPU", CPUEach}}
	rows := [][]string{{"flooded ÷ undisturbed"}}
	for _, m := range metrics {
		rows[0] = append(rows[0], m.title, "rounds")
	}
	for _, name := range r.Contestants {
		contestant, ok := strings.CutSuffix(name, flooded)
		if !ok || !r.tookPart([]Workload{w}, name) {
			continue
		}
		row := []string{contestant}
		for _, m := range metrics {
			least, most := r.RatioRange(w.Name, name, Undisturbed(contestant), m.of)
			row = append(row, ratio(r.Ratio(w.Name, name, Undisturbed(contestant), m.of)), interval(least, most))
		}
		rows = append(rows, row)
	}
	return Markdown(rows)
}

// interval returns two ratios as a range.
func interval(least, most float64) string {
	if math.IsNaN(least) || math.IsNaN(most) {
		return unknown
	}
	return ratio(least) + " to " + ratio(most)
}
