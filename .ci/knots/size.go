package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The bounds of a package without its tests, and of a file, tests included.
const (
	maxFiles       = 40
	maxLines       = 4000
	maxLinesOfFile = 500
)

// marker is the line that tells Go's tools that a file is generated.
var marker = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func large(packages []measured) []error {
	var problems []error
	for _, p := range packages {
		if p.files > maxFiles {
			problems = append(problems, fmt.Errorf("%s has %d files without tests: at most %d", p.name(), p.files, maxFiles))
		}
		if p.lines > maxLines {
			problems = append(problems, fmt.Errorf("%s has %d lines without tests: at most %d", p.name(), p.lines, maxLines))
		}
	}
	return problems
}

// longFiles finds the hand-written Go files below dir that are too long, those of nested modules and of other systems
// too.
func longFiles(dir string) ([]error, error) {
	var problems []error
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		lines, generated, err := lineCount(path)
		if short, _ := filepath.Rel(dir, path); lines > maxLinesOfFile && !generated {
			problems = append(problems, fmt.Errorf("%s has %d lines: at most %d", short, lines, maxLinesOfFile))
		}
		return err
	})
	return problems, err
}

func lineCount(path string) (lines int, generated bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false, err
	}
	return bytes.Count(text, []byte("\n")), marker.Match(text), nil
}
