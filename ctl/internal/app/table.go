package app

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Table prints aligned columns. It holds rows until Flush, so that a long list can be printed page by page: a later
// page may widen a column and never narrows it.
type Table struct {
	out    *Output
	bold   bool
	header []string
	widths []int
	Rows   [][]string
	begun  bool
}

// NewTable makes a table with these column titles.
func (a *App) NewTable(header ...string) *Table {
	return &Table{out: a.Stdout, bold: a.Color(), header: cleanCells(header), widths: make([]int, len(header))}
}

// Add takes one row, with as many cells as there are columns.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cleanCells(cells)) }

// cleanCells are the cells as they will be seen, which their widths depend on.
func cleanCells(cells []string) []string {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = orDash(Clean(cell))
	}
	return row
}

// orDash marks a place where there is no text.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// Flush prints the rows that are held, below the header if it is the first time.
func (t *Table) Flush() error {
	for _, row := range append([][]string{t.header}, t.Rows...) {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	if !t.begun {
		t.begun = true
		if err := t.out.PaintedLine(Paint(t.bold, "1", t.line(t.header))); err != nil {
			return err
		}
	}
	for _, row := range t.Rows {
		if err := t.out.Line(t.line(row)); err != nil {
			return err
		}
	}
	t.Rows = t.Rows[:0]
	return nil
}

func (t *Table) line(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(padded(cell, t.widths[i]) + "   ")
	}
	return strings.TrimRight(b.String(), " ")
}

// padded fills a text up with spaces to a width in characters.
func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// LabelText shows labels in the order of their keys.
func LabelText(labels map[string]string) string {
	var pairs []string
	for key, value := range labels {
		pairs = append(pairs, key+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
