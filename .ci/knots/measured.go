package main

import "cmp"

// measured is one package with its columns of the table.
type measured struct {
	path    string // below the module's path; "" at its root
	imports []string
	files   int // hand-written, tests left out, those for other systems included
	lines   int
	knot    []string // the files of the largest knot, those for other systems left out
}

func (m measured) name() string { return cmp.Or(m.path, ".") }
