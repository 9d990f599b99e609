package main

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/packages"
)

// uses says which files of a package each of its files uses an identifier of.
type uses map[string]map[string]bool

// largestKnot is the largest set of a package's files that all use each other, directly or by way of others. It is
// empty when no two files use each other.
func largestKnot(p *packages.Package) []string {
	var largest []string
	for _, knot := range knots(usesOf(p)) {
		if len(knot) > max(1, len(largest)) {
			largest = knot
		}
	}
	slices.Sort(largest)
	return largest
}

func usesOf(p *packages.Package) uses {
	graph := uses{}
	for _, file := range p.Syntax {
		graph[fileName(p, file)] = map[string]bool{}
	}
	name := func(pos token.Pos) string { return filepath.Base(p.Fset.Position(pos).Filename) }
	for ident, object := range p.TypesInfo.Uses {
		if object.Pkg() == p.Types && object.Pos().IsValid() {
			graph[name(ident.Pos())][name(object.Pos())] = true
		}
	}
	return graph
}

// knots are the strongly connected components of a graph (Tarjan).
func knots(graph uses) [][]string {
	t := &tarjan{graph: graph, index: map[string]int{}, low: map[string]int{}, open: map[string]bool{}}
	for node := range graph {
		if t.index[node] == 0 {
			t.visit(node)
		}
	}
	return t.found
}

type tarjan struct {
	graph uses
	index map[string]int // from 1, in the order of visits
	low   map[string]int // the smallest index that a node reaches among those that are open
	open  map[string]bool
	stack []string
	found [][]string
}

func (t *tarjan) visit(node string) {
	t.index[node] = len(t.index) + 1
	t.low[node] = t.index[node]
	t.stack, t.open[node] = append(t.stack, node), true
	for next := range t.graph[node] {
		if t.index[next] == 0 {
			t.visit(next)
		}
		if t.open[next] {
			t.low[node] = min(t.low[node], t.low[next])
		}
	}
	if t.low[node] == t.index[node] {
		t.close(node)
	}
}

// close takes a whole component off the stack.
func (t *tarjan) close(node string) {
	at := slices.Index(t.stack, node)
	component := slices.Clone(t.stack[at:])
	for _, member := range component {
		delete(t.open, member)
	}
	t.stack, t.found = t.stack[:at], append(t.found, component)
}

// fileName is the base name of the file that a syntax tree was read from.
func fileName(p *packages.Package, file *ast.File) string {
	return filepath.Base(p.Fset.Position(file.Package).Filename)
}
