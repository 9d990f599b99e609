package result

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// label is a text of a picture, with the place that it takes, roughly.
type label struct {
	text                     string
	left, right, top, bottom float64
}

// labels returns the texts of a picture, which must be well-formed XML.
func labels(t *testing.T, picture string) []label {
	t.Helper()
	var all []label
	var current *label
	var attributes []xml.Attr
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, picture)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "text" {
				current, attributes = new(label), token.Attr
			}
		case xml.CharData:
			if current != nil {
				current.text += string(token)
			}
		case xml.EndElement:
			if current != nil {
				current.place(attributes)
				all = append(all, *current)
			}
			current = nil
		}
	}
}

func (l *label) place(attributes []xml.Attr) {
	a := make(map[string]string)
	for _, x := range attributes {
		a[x.Name.Local] = x.Value
	}
	x, _ := strconv.ParseFloat(a["x"], 64)
	y, _ := strconv.ParseFloat(a["y"], 64)
	size, _ := strconv.ParseFloat(a["font-size"], 64)
	width := 0.6 * size * float64(utf8.RuneCountInString(l.text)) // the width of an average letter
	l.left = x - map[string]float64{"start": 0, "middle": 0.5, "end": 1}[a["text-anchor"]]*width
	l.right, l.top, l.bottom = l.left+width, y-0.8*size, y+0.2*size
}

func TestPlots(t *testing.T) {
	r := sample()
	r.Machine["cpu"] = `Abacus <"&'> 3000`
	plots := r.Plots()
	want := map[string][]string{
		"throughput.svg": {"Messages per second of server CPU time", "echo-64-100: small messages", "c", "gateway",
			"500,000", "400,000 (0.80 × c)"},
		"latency.svg": {"Latency at a fixed rate", "p50", "p90", "p99", "p99.9", "10 µs", "100 µs", "1 ms", "10 ms",
			"gateway"},
		"memory.svg": {"idle-18000: never sent anything", "idle-18000: has echoed 64 bytes once", "64", "640 (10.0 × c)",
			"1,300 (20.0 × c)"},
	}
	if len(plots) != len(want) {
		t.Errorf("%d plots; expected %d", len(plots), len(want))
	}
	for _, p := range plots {
		found := make(map[string]bool)
		all := labels(t, p.SVG)
		for _, l := range all {
			found[l.text] = true
		}
		for _, text := range append(want[p.Name], "Median of 3 rounds, Abacus <\"&'> 3000, 2026-01-02") {
			if !found[text] {
				t.Errorf("%s has no %q", p.Name, text)
			}
		}
	}
}

// TestPlotsAreLegible holds that no text leaves the picture or covers another, with all contestants in it.
func TestPlotsAreLegible(t *testing.T) {
	r := sample()
	all := r.Measurements
	for _, name := range []string{"gateway (epoll)", "gnet", "nbio", "net", "node"} {
		r.Contestants = append(r.Contestants, name)
		for _, m := range all {
			if m.Contestant == "gateway" {
				m.Contestant = name
				r.Measurements = append(r.Measurements, m)
			}
		}
	}
	for _, p := range r.Plots() {
		texts := labels(t, p.SVG)
		for i, a := range texts {
			if a.left < 0 || a.right > 860 {
				t.Errorf("%s: %q leaves the picture, from %.0f to %.0f", p.Name, a.text, a.left, a.right)
			}
			for _, b := range texts[:i] {
				if a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom {
					t.Errorf("%s: %q lies over %q", p.Name, a.text, b.text)
				}
			}
		}
	}
}
