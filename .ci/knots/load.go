package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// load measures the packages of the module at dir that have hand-written code.
func load(dir string) ([]measured, error) {
	mode := packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes |
		packages.NeedTypesInfo | packages.NeedModule | packages.NeedExportFile
	pkgs, err := packages.Load(&packages.Config{Mode: mode, Dir: dir}, "./...")
	if err != nil {
		return nil, err
	}
	var all []measured
	for _, p := range pkgs {
		m, err := measure(p)
		if err != nil {
			return nil, err
		}
		if m.files > 0 {
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no packages there: name the root of a module")
	}
	return all, nil
}

func measure(p *packages.Package) (measured, error) {
	if len(p.Errors) > 0 {
		return measured{}, fmt.Errorf("%s: %w", p.PkgPath, p.Errors[0])
	}
	m := measured{path: below(p.Module, p.PkgPath), knot: largestKnot(p)}
	for path := range p.Imports {
		if path == p.Module.Path || strings.HasPrefix(path, p.Module.Path+"/") {
			m.imports = append(m.imports, below(p.Module, path))
		}
	}
	slices.Sort(m.imports)
	for _, file := range slices.Concat(p.GoFiles, p.IgnoredFiles) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		lines, generated, err := lineCount(file)
		if err != nil {
			return measured{}, err
		}
		if !generated {
			m.files, m.lines = m.files+1, m.lines+lines
		}
	}
	return m, nil
}

// below is a package's path without the module's.
func below(module *packages.Module, path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module.Path), "/")
}
