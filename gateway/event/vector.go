package event

import (
	"fmt"
	"slices"
	"strings"
)

// Vector is a position in the event logs of several nodes: one cursor for each, in the order of their names.
type Vector []Cursor

// ParseVector reads what String wrote; a single cursor is a vector too. The error says what was given and what was expected.
func ParseVector(s string) (Vector, error) {
	var v Vector
	for part := range strings.SplitSeq(s, ",") {
		c, err := ParseCursor(part)
		if err != nil {
			return nil, err
		}
		v = append(v, c)
	}
	if !slices.IsSortedFunc(v, func(a, b Cursor) int { return strings.Compare(a.Node, b.Node) }) {
		slices.SortFunc(v, func(a, b Cursor) int { return strings.Compare(a.Node, b.Node) })
	}
	for i := 1; i < len(v); i++ {
		if v[i].Node == v[i-1].Node {
			return nil, fmt.Errorf("%.100q has two positions of node %q; expected one for each node", s, v[i].Node)
		}
	}
	return v, nil
}

// String returns the vector as callers keep it: cursors with commas between them.
func (v Vector) String() string {
	var b strings.Builder
	for i, c := range v {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(c.String())
	}
	return b.String()
}

// At returns a node's cursor, and whether there is one.
func (v Vector) At(node string) (Cursor, bool) {
	i, ok := slices.BinarySearchFunc(v, node, func(c Cursor, node string) int { return strings.Compare(c.Node, node) })
	if !ok {
		return Cursor{}, false
	}
	return v[i], true
}

// Set puts a node's cursor in, in place of the one that it had. The vector may be moved, as by append.
func (v Vector) Set(c Cursor) Vector {
	i, ok := slices.BinarySearchFunc(v, c.Node, func(c Cursor, node string) int { return strings.Compare(c.Node, node) })
	if ok {
		v[i] = c
		return v
	}
	return slices.Insert(v, i, c)
}
