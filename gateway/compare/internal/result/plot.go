package result

import (
	"fmt"
	"math"
	"strings"

	"github.com/sockgate/sockgate/gateway/compare/internal/svg"
)

// Plot is a picture with the name of its file.
type Plot struct {
	Name  string // of the file
	Title string
	SVG   string
}

// Plots draws the results.
func (r *Results) Plots() []Plot {
	var plots []Plot
	for _, p := range []Plot{r.throughput(), r.latency(), r.memory()} {
		if p.SVG != "" {
			plots = append(plots, p)
		}
	}
	return plots
}

// colors has the colours of the usual contestants; further gateways get the lighter blues.
var colors = map[string]string{"c": "#57606a", "gateway": "#0969da", "gnet": "#1a7f37", "nbio": "#bf8700",
	"net": "#8250df", "node": "#cf222e"}

func color(name string) string {
	if c, ok := colors[name]; ok {
		return c
	}
	return "#54aeff"
}

func (r *Results) heading(title, subtitle string) svg.Heading {
	return svg.Heading{Title: title, Subtitle: subtitle,
		Source: fmt.Sprintf("Median of %s, %s, %s", plural(r.Rounds, "round"), r.Machine["cpu"], r.Date.Format("2006-01-02"))}
}

func (r *Results) throughput() Plot {
	p := Plot{Name: "throughput.svg", Title: "Messages per second of server CPU time"}
	var groups []svg.Group
	for _, w := range r.Workloads {
		title := fmt.Sprintf("%s: %s", w.Name, w.Text)
		switch w.Kind {
		case Echo:
		case Churn:
			title = fmt.Sprintf("%s: connections per second of server CPU time", w.Name)
		default:
			continue
		}
		groups = append(groups, r.group(title, w, PerCPUSecond))
	}
	if groups = filled(groups); len(groups) > 0 {
		p.SVG = svg.Bars(r.heading(p.Title, "Longer is better; each group has its own scale"), groups)
	}
	return p
}

func (r *Results) memory() Plot {
	p := Plot{Name: "memory.svg", Title: "Resident bytes of the server for each idle connection"}
	var groups []svg.Group
	for _, w := range r.Workloads {
		if w.Kind == Idle {
			groups = append(groups, r.group(w.Name+": never sent anything", w, IdleBytes),
				r.group(w.Name+": has echoed 64 bytes once", w, EchoBytes))
		}
	}
	if groups = filled(groups); len(groups) > 0 {
		p.SVG = svg.Bars(r.heading(p.Title, "Shorter is better; each group has its own scale"), groups)
	}
	return p
}

// group returns a bar for each contestant.
func (r *Results) group(title string, w Workload, m Metric) svg.Group {
	g := svg.Group{Title: title}
	for _, name := range r.Contestants {
		value := r.Median(w.Name, name, m)
		if math.IsNaN(value) {
			continue
		}
		text := count(value)
		if x := r.Ratio(w.Name, name, w.reference(), m); !math.IsNaN(x) && name != w.reference() {
			text += fmt.Sprintf(" (%s × %s)", ratio(x), w.reference())
		}
		g.Bars = append(g.Bars, svg.Bar{Label: name, Value: value, Text: text, Color: color(name)})
	}
	return g
}

func filled(groups []svg.Group) (with []svg.Group) {
	for _, g := range groups {
		if len(g.Bars) > 0 {
			with = append(with, g)
		}
	}
	return with
}

func (r *Results) latency() Plot {
	p := Plot{Name: "latency.svg", Title: "Latency at a fixed rate"}
	metrics, labels := []Metric{P50, P90, P99, P999}, []string{"p50", "p90", "p99", "p99.9"}
	for _, w := range r.Workloads {
		if w.Kind != Fixed {
			continue
		}
		var lines []svg.Line
		for _, name := range r.Contestants {
			l := svg.Line{Label: name, Color: color(name)}
			for _, m := range metrics {
				l.Values = append(l.Values, r.Median(w.Name, name, m))
			}
			if !math.IsNaN(l.Values[0]) {
				lines = append(lines, l)
			}
		}
		if len(lines) == 0 {
			continue
		}
		rate := r.Median(w.Name, lines[0].Label, AskedRate)
		text := fmt.Sprintf("Lower is better. %d bytes, %d connections, %s messages/s; counted from when each was to be sent",
			w.Size, w.Conns, count(rate))
		p.SVG = svg.Lines(r.heading(p.Title, text), labels, lines, tick)
	}
	return p
}

// tick names a power of ten of a second: `10 µs`, not `10.0 µs`.
func tick(seconds float64) string {
	number, unit, _ := strings.Cut(duration(seconds), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}
