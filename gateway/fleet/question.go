package fleet

import (
	"context"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The methods that nodes ask each other for besides those of GatewayService.
const (
	methodPing   = "ping"   // nothing; the answer is empty
	methodForget = "forget" // the body is a member's name; the answer is empty, also when it was not known
)

// question is what other nodes are asked for.
type question struct {
	method string      // full name of a method of GatewayService, or one of the above
	body   []byte      // its encoded request
	caller event.Actor // on whose behalf; Via is not set
	wait   time.Duration
}

// answer is what became of a question on one node.
type answer struct {
	node    string
	status  pb.NodeStatus // never UNSPECIFIED
	body    []byte        // with OK: the encoded response
	err     error         // with ERROR and DENIED: the gRPC status
	message string        // with all but OK: in words
	elapsed time.Duration
}

// asker is what the verbs and streams need of the exchange. Its methods may be called from any goroutine.
type asker interface {
	// ask asks other nodes, all at once, and returns an answer for each, in their order: when all have answered, or q.wait or ctx is over.
	// Those that are not to be asked (Member.asked) and those that restart or leave meanwhile get their answer at once. This node itself
	// must not be among them.
	ask(ctx context.Context, to []Member, q question) []answer
	// follow opens a stream at another node. The caller must close it.
	follow(ctx context.Context, to Member, q question) stream
}

// stream is what comes from one node that is followed. It is for one goroutine.
type stream interface {
	// next returns the next item, an encoded response, and takes it: not before does the node send more than a few. It waits until there is
	// one. At the end the error is a *streamEnd; otherwise ctx's.
	next(ctx context.Context) ([]byte, error)
	// close tells the node that nobody follows any more.
	close()
}

// streamEnd says why a stream came to its end: with OK the node's log has ended.
type streamEnd struct{ answer }

// Error says it in words.
func (e *streamEnd) Error() string { return e.node + ": " + e.status.String() + ": " + e.message }
