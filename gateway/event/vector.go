package event

import (
	"fmt"
	"slices"
	"strconv"
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
	const usual = 64 // bytes of a cursor, or less
	b := make([]byte, 0, len(v)*usual)
	for i, c := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, c.Node...), '.'), c.Incarnation...)
		b = strconv.AppendUint(append(b, '@'), c.Sequence, 10)
	}
	return string(b)
}

// At returns a node's cursor, and whether there is one.
func (v Vector) At(node string) (Cursor, bool) {
	i, ok := v.find(node)
	if !ok {
		return Cursor{}, false
	}
	return v[i], true
}

// Set puts a node's cursor in, in place of the one that it had. The vector may be moved, as by append.
func (v Vector) Set(c Cursor) Vector {
	i, ok := v.find(c.Node)
	if ok {
		v[i] = c
		return v
	}
	return slices.Insert(v, i, c)
}

// Delete takes a node's cursor out, if there is one. The vector is changed, as by slices.Delete.
func (v Vector) Delete(node string) Vector {
	if i, ok := v.find(node); ok {
		return slices.Delete(v, i, i+1)
	}
	return v
}

// find returns where a node's cursor is, or would be, and whether it is there.
func (v Vector) find(node string) (int, bool) {
	return slices.BinarySearchFunc(v, node, func(c Cursor, node string) int { return strings.Compare(c.Node, node) })
}
