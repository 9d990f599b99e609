package history

import (
	"fmt"

	"github.com/sockgate/sockgate/gateway/event"
)

// NotFoundError says that this server has no such connection. Outcome says why.
type NotFoundError struct {
	ID      string        // as the caller gave it
	Node    string        // this node
	Outcome event.Outcome // NotFound, Closed (closed and forgotten), NodeRestarted or UnknownNode
}

// Error quotes the ID and says why there is no such connection.
func (e *NotFoundError) Error() string {
	switch e.Outcome {
	case event.OutcomeClosed:
		return fmt.Sprintf("connection %s was closed and is no longer among the last %d that are remembered", e.ID,
			Kept)
	case event.OutcomeNodeRestarted:
		return fmt.Sprintf("connection %s is of an earlier incarnation of node %s; it ended when the node restarted", e.ID,
			e.Node)
	case event.OutcomeUnknownNode:
		return fmt.Sprintf("connection %s is of a node that is not this one, %s", e.ID, e.Node)
	default:
		return fmt.Sprintf("connection %s has never existed", e.ID)
	}
}
