package app

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position is one node's part of a cursor, `node.incarnation@sequence`.
type Position struct {
	node        string
	incarnation string // unix milliseconds at start, in hex
	Sequence    uint64
}

// ParsePosition reads the cursor of one node.
func ParsePosition(cursor string) (*Position, error) {
	origin, sequence, _ := strings.Cut(cursor, "@")
	node, incarnation, ok := strings.Cut(origin, ".")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if !ok || err != nil {
		return nil, fmt.Errorf("the gateway's cursor %q is not node.incarnation@sequence", cursor)
	}
	return &Position{node: node, incarnation: incarnation, Sequence: n}, nil
}

// ReachedBy reports whether a stream at cursor has delivered everything up to p. A later incarnation has no event of
// p's any more. A stream that asked for events from before a restart begins in an earlier one.
func (p *Position) ReachedBy(cursor string) bool {
	at := positionOf(p.node, cursor)
	if at == nil {
		return false
	}
	if at.incarnation == p.incarnation {
		return at.Sequence >= p.Sequence
	}
	later := cmp.Or(cmp.Compare(len(at.incarnation), len(p.incarnation)), strings.Compare(at.incarnation, p.incarnation))
	return later > 0
}

// positionOf finds a node's position in a cursor; nil if it has none. A fleet's cursor has one for each node,
// separated by commas.
func positionOf(node, cursor string) *Position {
	for part := range strings.SplitSeq(cursor, ",") {
		if at, err := ParsePosition(part); err == nil && at.node == node {
			return at
		}
	}
	return nil
}

// positions are the parts of a fleet's cursor: one position for each node.
type positions []*Position

func parsePositions(cursor string) (positions, error) {
	var all positions
	for part := range strings.SplitSeq(cursor, ",") {
		p, err := ParsePosition(part)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// severalNodes reports whether a cursor has the positions of more than one node.
func severalNodes(cursor string) bool { return strings.Contains(cursor, ",") }
