package app

import (
	"fmt"
	"strings"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Plural is "1 connection" or "2 connections".
func Plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Kebab writes a field's name as a flag's.
func Kebab(name string) string { return strings.ReplaceAll(name, "_", "-") }

// NodeStateText is a node's state as tables show it.
func NodeStateText(s pb.NodeState) string { return EnumText(s.String(), "NODE_STATE_") }
