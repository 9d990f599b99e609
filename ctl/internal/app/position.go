package app

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position is what a cursor, `node.incarnation@sequence`, says.
type Position struct {
	node        string
	incarnation string // unix milliseconds at start, in hex
	Sequence    uint64
}

func ParsePosition(cursor string) (*Position, error) {
	origin, sequence, _ := strings.Cut(cursor, "@")
	node, incarnation, ok := strings.Cut(origin, ".")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if !ok || err != nil {
		return nil, fmt.Errorf("the gateway's cursor %q is not node.incarnation@sequence", cursor)
	}
	return &Position{node: node, incarnation: incarnation, Sequence: n}, nil
}

// ReachedBy says whether a stream at cursor has delivered everything up to p. A later incarnation has nothing of p's any more;
// an earlier one is where a stream begins that asked for what was before a restart.
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

// positionOf finds a node's position in a cursor, which in a fleet has one for each node, separated by commas; nil if there is none.
func positionOf(node, cursor string) *Position {
	for part := range strings.SplitSeq(cursor, ",") {
		if at, err := ParsePosition(part); err == nil && at.node == node {
			return at
		}
	}
	return nil
}

// positions are what the cursor of a fleet says: one position for each node.
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

// severalNodes says whether a cursor has the positions of more than one node.
func severalNodes(cursor string) bool { return strings.Contains(cursor, ",") }
