package event

import (
	"fmt"
	"strconv"
	"strings"
)

// ID is a connection's ID in its parts.
type ID struct {
	Node        string // the node's name, [a-z0-9-]{1,32}
	Incarnation string // the node's life, 1 to 16 lower-case hex digits
	Seq         uint64 // the connection's number in that life, from 1
}

// ParseID reads `node.incarnation.seq`. The error is a *MalformedIDError.
func ParseID(s string) (ID, error) {
	node, rest, _ := strings.Cut(s, ".")
	incarnation, seq, ok := strings.Cut(rest, ".")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != seq ||
		!ValidNode(node) || !ValidIncarnation(incarnation) {
		return ID{}, &MalformedIDError{ID: s}
	}
	return ID{Node: node, Incarnation: incarnation, Seq: n}, nil
}

// MalformedIDError says that a text, ID, is not a connection ID.
type MalformedIDError struct{ ID string }

// Error quotes the text and says what is expected.
func (e *MalformedIDError) Error() string {
	return fmt.Sprintf("%.100q is not a connection ID; expected node.incarnation.seq, for example edge-1.19ab0d3f1c2.42",
		e.ID)
}
