package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// printTable prints a row for each package, and with verbose the files of its largest knot below it.
func printTable(w io.Writer, packages []measured, verbose bool) error {
	slices.SortFunc(packages, func(a, b measured) int { return cmp.Compare(a.path, b.path) })
	width := len("package")
	for _, p := range packages {
		width = max(width, len(p.name()))
	}
	var table strings.Builder
	var total measured
	fmt.Fprintf(&table, "%-*s  files   lines  largest knot\n", width, "package")
	for _, p := range packages {
		fmt.Fprintf(&table, "%-*s  %5d  %6d  %12d\n", width, p.name(), p.files, p.lines, len(p.knot))
		if verbose && len(p.knot) > 0 {
			fmt.Fprintf(&table, "  %s\n", strings.Join(p.knot, " "))
		}
		total.files, total.lines = total.files+p.files, total.lines+p.lines
	}
	fmt.Fprintf(&table, "%-*s  %5d  %6d\n", width, "total", total.files, total.lines)
	_, err := io.WriteString(w, table.String())
	return err
}
