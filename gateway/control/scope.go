package control

import (
	"fmt"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func validateScope(s *pb.Scope) error {
	if err := contract.First(
		contract.Check(len(s.GetNodes()) <= contract.MaxNodes, "scope.nodes", "%d nodes; expected at most %d",
			len(s.GetNodes()), contract.MaxNodes),
		contract.Check(!s.GetLocal() || !s.GetAll(), "scope.local", "given together with all; expected one of them"),
		contract.Check(len(s.GetNodes()) == 0 || !s.GetLocal() && !s.GetAll(), "scope.nodes",
			"given together with local or all; expected one of them"),
		period("scope.node_timeout", s.GetNodeTimeout(), contract.MaxNodeTimeout),
	); err != nil {
		return err
	}
	for i, name := range s.GetNodes() {
		if err := contract.First(
			nodeName("scope.nodes", name),
			contract.Check(!slices.Contains(s.GetNodes()[:i], name), "scope.nodes",
				"%q is named twice; expected each node once", name),
		); err != nil {
			return err
		}
	}
	return nil
}

func nodeName(field, name string) error {
	return contract.Check(event.ValidNode(name), field, "%.50q is no node's name; expected 1 to 32 of a-z, 0-9 and -",
		name)
}

// unknownNodeError says that a request names a node that does not exist.
type unknownNodeError struct{ field, node, self string }

// Error names the unknown node and this one.
func (e *unknownNodeError) Error() string {
	return fmt.Sprintf("%s: there is no node %q: this gateway, %s, runs alone", e.field, e.node, e.self)
}

// aloneScope returns the scope check of a gateway that runs alone, which is the only node.
func aloneScope(g Gateway) scopeCheck {
	return func(s *pb.Scope) error {
		for _, name := range s.GetNodes() {
			if node := g.Cursor().Node; name != node {
				return &unknownNodeError{field: "scope.nodes", node: name, self: node}
			}
		}
		return nil
	}
}
