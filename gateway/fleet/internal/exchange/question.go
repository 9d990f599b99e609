package exchange

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The methods that nodes ask each other for besides those of GatewayService.
const (
	MethodPing   = "ping"   // nothing; the answer is empty
	MethodForget = "forget" // the body is a member's name; the answer is empty, also when it was not known
)

// Question is what other nodes are asked for.
type Question struct {
	Method string      // full name of a method of GatewayService, or one of the above
	Body   []byte      // its encoded request
	Caller event.Actor // on whose behalf; Via is not set
	Wait   time.Duration
}

// Answer is what became of a question on one node.
type Answer struct {
	Node    string
	Status  pb.NodeStatus // never UNSPECIFIED
	Body    []byte        // with OK: the encoded response
	Err     error         // with ERROR and DENIED: the gRPC status
	Message string        // with all but OK: in words
	Elapsed time.Duration
}

// Asker is what the verbs and streams need of the exchange. Its methods may be called from any goroutine.
type Asker interface {
	// Ask asks other nodes, all at once, and returns an answer for each, in their order: when all have answered, or q.wait or ctx is over.
	// Those that are not to be asked (Member.asked) and those that restart or leave meanwhile get their answer at once. This node itself
	// must not be among them.
	Ask(ctx context.Context, to []member.Member, q Question) []Answer
	// Follow opens a stream at another node. The caller must close it.
	Follow(ctx context.Context, to member.Member, q Question) Stream
}

// Stream is what comes from one node that is followed. It is for one goroutine.
type Stream interface {
	// Next returns the next item, an encoded response, and takes it: not before does the node send more than a few. It waits until there is
	// one. At the end the error is a *streamEnd; otherwise ctx's.
	Next(ctx context.Context) ([]byte, error)
	// Close tells the node that nobody follows any more.
	Close()
}

// StreamEnd says why a stream came to its end: with OK the node's log has ended.
type StreamEnd struct{ Answer }

// Error says it in words.
func (e *StreamEnd) Error() string { return e.Node + ": " + e.Status.String() + ": " + e.Message }

func (a *Answer) OK() bool { return a.Status == pb.NodeStatus_NODE_STATUS_OK }

// Doubtful reports whether a node that did not do what it was asked for may have done it all the same, or a part of it.
func (a *Answer) Doubtful() bool {
	switch a.Status {
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_LEFT:
		return true
	case pb.NodeStatus_NODE_STATUS_ERROR:
		return status.Code(a.Err) == codes.Internal || status.Code(a.Err) == codes.Unknown
	}
	return false
}
