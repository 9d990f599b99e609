package app

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table prints aligned columns. It holds rows until Flush, so that a long list can be printed page by page: a later
// page may widen a column and never narrows it.
type Table struct {
	w      io.Writer
	bold   bool
	header []string
	widths []int
	Rows   [][]string
	begun  bool
}

// NewTable makes a table with these column titles.
func (a *App) NewTable(header ...string) *Table {
	return &Table{w: a.Stdout, bold: a.Color(), header: header, widths: make([]int, len(header))}
}

// Add takes one row, with as many cells as there are columns.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = Clean(cell)
		if row[i] == "" {
			row[i] = "-"
		}
	}
	t.Rows = append(t.Rows, row)
}

// Flush prints the rows that are held, below the header if it is the first time.
func (t *Table) Flush() error {
	for _, row := range append([][]string{t.header}, t.Rows...) {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	if !t.begun {
		t.begun = true
		b.WriteString(Paint(t.bold, "1", t.line(t.header)))
		b.WriteByte('\n')
	}
	for _, row := range t.Rows {
		b.WriteString(t.line(row))
		b.WriteByte('\n')
	}
	t.Rows = t.Rows[:0]
	_, err := io.WriteString(t.w, b.String())
	return err
}

func (t *Table) line(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		fmt.Fprintf(&b, "%-*s   ", t.widths[i], cell)
	}
	return strings.TrimRight(b.String(), " ")
}

// Paint wraps text in an ANSI attribute if colour is on.
func Paint(on bool, attribute, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + attribute + "m" + text + "\x1b[0m"
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

// Sections is text with titles and indented rows. The values are aligned within a section.
type Sections struct {
	B    strings.Builder
	Bold bool
	Rows [][2]string // of the section that is not written yet
}

// Title begins a section.
func (s *Sections) Title(text string) {
	s.flush()
	if s.B.Len() > 0 {
		s.B.WriteByte('\n')
	}
	s.B.WriteString(Paint(s.Bold, "1", text) + "\n")
}

// Row adds a row to the section.
func (s *Sections) Row(name, value string) {
	if value == "" {
		value = "-"
	}
	s.Rows = append(s.Rows, [2]string{Clean(name), Clean(value)})
}

// Text is everything so far.
func (s *Sections) Text() string {
	s.flush()
	return s.B.String()
}

// flush writes the rows of the section.
func (s *Sections) flush() {
	width := 14
	for _, row := range s.Rows {
		width = max(width, utf8.RuneCountInString(row[0]))
	}
	for _, row := range s.Rows {
		fmt.Fprintf(&s.B, "  %-*s %s\n", width, row[0], row[1])
	}
	s.Rows = nil
}
