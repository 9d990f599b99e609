package app

import "unicode/utf8"

// Sections print titles and indented rows. The values are aligned within a section.
type Sections struct {
	out   *Output
	bold  bool
	lines []Painted
	rows  [][2]string // of the section that has no lines yet
}

// NewSections makes sections, which are printed by Flush.
func (a *App) NewSections() *Sections { return &Sections{out: a.Stdout, bold: a.Color()} }

// Title begins a section.
func (s *Sections) Title(text string) {
	s.endSection()
	if len(s.lines) > 0 {
		s.lines = append(s.lines, Text(""))
	}
	s.lines = append(s.lines, Paint(s.bold, "1", text))
}

// Row adds a row to the section.
func (s *Sections) Row(name, value string) {
	s.rows = append(s.rows, [2]string{Clean(name), orDash(value)})
}

// Flush prints everything so far.
func (s *Sections) Flush() error {
	s.endSection()
	for _, line := range s.lines {
		if err := s.out.PaintedLine(line); err != nil {
			return err
		}
	}
	s.lines = nil
	return nil
}

// endSection makes lines of the section's rows.
func (s *Sections) endSection() {
	width := 14
	for _, row := range s.rows {
		width = max(width, utf8.RuneCountInString(row[0]))
	}
	for _, row := range s.rows {
		s.lines = append(s.lines, Text("  "+padded(row[0], width)+" "+row[1]))
	}
	s.rows = nil
}
