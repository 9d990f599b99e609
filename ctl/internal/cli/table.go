package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// table prints aligned columns. Rows are held until flush, so that a long list can be printed page by page: a later page
// may widen a column and never narrows it.
type table struct {
	w      io.Writer
	bold   bool
	header []string
	widths []int
	rows   [][]string
	begun  bool
}

func (a *app) newTable(header ...string) *table {
	return &table{w: a.stdout, bold: a.color(), header: header, widths: make([]int, len(header))}
}

// add takes one row, with as many cells as there are columns.
func (t *table) add(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = clean(cell)
		if row[i] == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

// flush prints the rows that are held, below the header if it is the first time.
func (t *table) flush() error {
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	if !t.begun {
		t.begun = true
		b.WriteString(paint(t.bold, "1", t.line(t.header)))
		b.WriteByte('\n')
	}
	for _, row := range t.rows {
		b.WriteString(t.line(row))
		b.WriteByte('\n')
	}
	t.rows = t.rows[:0]
	_, err := io.WriteString(t.w, b.String())
	return err
}

func (t *table) line(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		fmt.Fprintf(&b, "%-*s   ", t.widths[i], cell)
	}
	return strings.TrimRight(b.String(), " ")
}

// paint wraps text in an ANSI attribute if colour is on.
func paint(on bool, attribute, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + attribute + "m" + text + "\x1b[0m"
}

// labelText shows labels in the order of their keys.
func labelText(labels map[string]string) string {
	var pairs []string
	for key, value := range labels {
		pairs = append(pairs, key+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
