package event

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Cursor is a position in a node's event log: right after the event with Sequence. Sequence 0 is before the first
// event.
type Cursor struct {
	Origin
	Sequence uint64 // of the event that it is behind
}

// String returns the text that clients keep: `node.incarnation@sequence`, for example `edge-1.19ab0d3f1c2@42`.
func (c Cursor) String() string {
	return c.Node + "." + c.Incarnation + "@" + strconv.FormatUint(c.Sequence, 10)
}

// ParseCursor reads a text of String, and accepts no other form. The error quotes at most 100 bytes of the text and
// says how a cursor looks.
func ParseCursor(s string) (Cursor, error) {
	bad := fmt.Errorf("%.100q is not a cursor; expected node.incarnation@sequence, as an earlier response gave it", s)
	place, seq, ok := strings.Cut(s, "@")
	if !ok {
		return Cursor{}, bad
	}
	node, incarnation, ok := strings.Cut(place, ".")
	if !ok || !ValidNode(node) || !ValidIncarnation(incarnation) {
		return Cursor{}, bad
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != seq {
		return Cursor{}, bad
	}
	return Cursor{Origin: Origin{Node: node, Incarnation: incarnation}, Sequence: n}, nil
}

// ValidNode reports whether s is a possible name of a node: [a-z0-9-]{1,32}.
func ValidNode(s string) bool {
	return len(s) >= 1 && len(s) <= 32 && only(s, nodeByte)
}

// ValidIncarnation reports whether s is a possible incarnation: 1 to 16 lower-case hex digits.
func ValidIncarnation(s string) bool { return len(s) >= 1 && len(s) <= 16 && only(s, hexByte) }

// CompareIncarnations orders two lives of one node, as cmp.Compare does. The greater number began later, by the clock
// of the node's machine. Both must be valid.
func CompareIncarnations(a, b string) int {
	x, _ := strconv.ParseUint(a, 16, 64) // 16 hex digits fit into 64 bits
	y, _ := strconv.ParseUint(b, 16, 64)
	return cmp.Compare(x, y)
}

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func nodeByte(b byte) bool {
	return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-'
}

func hexByte(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' }
