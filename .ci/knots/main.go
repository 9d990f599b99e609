// Command knots shows how a module's packages are made: files, lines, and the largest knot of files that use each
// other.
//
//	go -C .ci/knots run . [-check] [-floors FILE] [-v] DIRECTORY
//
// Tests and generated files are left out of the table. A file for another system counts as a file, and is in no knot.
// With -check it also fails when a package or a file is too large, or when an import does not run downward. DIRECTORY
// is the root of the module.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// settings are the command line.
type settings struct {
	dir     string
	floors  string // a file; the one built in when it is empty
	check   bool
	verbose bool
}

func main() {
	var s settings
	flag.BoolVar(&s.check, "check", false,
		"fail when a package or a file is too large, or an import does not run downward")
	flag.BoolVar(&s.verbose, "v", false, "name the files of each knot")
	flag.StringVar(&s.floors, "floors", "", "`file` with the order of the floors (default: floors.txt, which is built in)")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "knots: expected one directory, the root of a module")
		os.Exit(2)
	}
	s.dir = flag.Arg(0)
	if err := s.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (s settings) run(w io.Writer) error {
	packages, err := load(s.dir)
	if err != nil {
		return err
	}
	if err := printTable(w, packages, s.verbose); err != nil || !s.check {
		return err
	}
	return s.judge(packages)
}

// judge returns everything that is too large or on the wrong floor.
func (s settings) judge(packages []measured) error {
	order, err := readFloors(s.floors)
	if err != nil {
		return err
	}
	long, err := longFiles(s.dir)
	if err != nil {
		return err
	}
	problems := append(large(packages), long...)
	return errors.Join(append(problems, order.check(packages)...)...)
}
