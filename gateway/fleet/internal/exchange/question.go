package exchange

import (
	"context"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
)

// Methods that nodes ask each other for besides those of GatewayService.
const (
	MethodPing   = "ping"   // does nothing; the answer is empty
	MethodForget = "forget" // the body is a member's name; the answer is empty, even if the name was unknown
)

// Question is a question to other nodes.
type Question struct {
	Method string        // full name of a method of GatewayService, or one of the above
	Body   []byte        // its encoded request
	Caller event.Actor   // the caller of the call; Via is not set
	Wait   time.Duration // how long the nodes have to answer
	// Room is for a stream: it takes room for an item of a size that came. If it returns false, the item is dropped and
	// the stream ends with OVERLOADED. It must not block. Nil: there is always room.
	Room func(size int) bool
}

// Asker asks other nodes. Its methods may be called from any goroutine.
type Asker interface {
	// Ask asks other nodes, all at once, and returns one answer for each, in their order. It returns when all have
	// answered, or when q.Wait or ctx is over. Nodes that are not to be asked (Member.Asked), and nodes that restart or
	// leave meanwhile, get their answer at once. This node itself must not be among them.
	Ask(ctx context.Context, to []member.Member, q Question) []Answer
	// Follow opens a stream at another node. The caller must close it.
	Follow(ctx context.Context, to member.Member, q Question) Stream
}
