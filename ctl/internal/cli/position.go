package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// position is what a cursor, `node.incarnation@sequence`, says.
type position struct {
	node        string
	incarnation string // unix milliseconds at start, in hex
	sequence    uint64
}

func parsePosition(cursor string) (*position, error) {
	origin, sequence, _ := strings.Cut(cursor, "@")
	node, incarnation, ok := strings.Cut(origin, ".")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if !ok || err != nil {
		return nil, fmt.Errorf("the gateway's cursor %q is not node.incarnation@sequence", cursor)
	}
	return &position{node: node, incarnation: incarnation, sequence: n}, nil
}

// reachedBy says whether a stream at cursor has delivered everything up to p. A later incarnation has nothing of p's any more;
// an earlier one is where a stream begins that asked for what was before a restart.
func (p *position) reachedBy(cursor string) bool {
	at := positionOf(p.node, cursor)
	if at == nil {
		return false
	}
	if at.incarnation == p.incarnation {
		return at.sequence >= p.sequence
	}
	later := cmp.Or(cmp.Compare(len(at.incarnation), len(p.incarnation)), strings.Compare(at.incarnation, p.incarnation))
	return later > 0
}

// positionOf finds a node's position in a cursor, which in a fleet has one for each node, separated by commas; nil if there is none.
func positionOf(node, cursor string) *position {
	for part := range strings.SplitSeq(cursor, ",") {
		if at, err := parsePosition(part); err == nil && at.node == node {
			return at
		}
	}
	return nil
}

// positions are what the cursor of a fleet says: one position for each node.
type positions []*position

func parsePositions(cursor string) (positions, error) {
	var all positions
	for part := range strings.SplitSeq(cursor, ",") {
		p, err := parsePosition(part)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// severalNodes says whether a cursor has the positions of more than one node.
func severalNodes(cursor string) bool { return strings.Contains(cursor, ",") }
