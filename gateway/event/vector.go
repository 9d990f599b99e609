package event

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Vector is a position in the event logs of several nodes: one cursor for each node, sorted by the node's name. The nil
// Vector is empty and ready to use. Its methods are for one goroutine at a time.
type Vector []Cursor

// ParseVector reads a text of String, with the nodes in any order. The text of one cursor is a vector too. It refuses
// an empty text, and two positions of one node. The error quotes the wrong part and says what is expected.
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

// String returns the text that clients keep: the cursors, separated by commas.
func (v Vector) String() string {
	const usual = 64 // bytes of most cursors
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

// At returns the cursor of a node and whether the vector has one.
func (v Vector) At(node string) (Cursor, bool) {
	i, ok := v.find(node)
	if !ok {
		return Cursor{}, false
	}
	return v[i], true
}

// Set adds c, or replaces the cursor of its node, and returns the vector. As append does, it changes v in place when v
// has the capacity.
func (v Vector) Set(c Cursor) Vector {
	i, ok := v.find(c.Node)
	if ok {
		v[i] = c
		return v
	}
	return slices.Insert(v, i, c)
}

// Delete removes the cursor of a node, if there is one, and returns the vector. As slices.Delete does, it changes v in
// place.
func (v Vector) Delete(node string) Vector {
	if i, ok := v.find(node); ok {
		return slices.Delete(v, i, i+1)
	}
	return v
}

// find returns the index of a node's cursor, or the index where it belongs, and whether it is there.
func (v Vector) find(node string) (int, bool) {
	return slices.BinarySearchFunc(v, node, func(c Cursor, node string) int { return strings.Compare(c.Node, node) })
}
