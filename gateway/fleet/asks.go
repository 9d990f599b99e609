package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/share"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Bounds of what a node's own callers have under way at other nodes, shared by their identities. An eighth of each is
// for administrators alone.
const (
	maxAsks        = 256      // calls
	maxStreamBytes = 64 << 20 // events of streams that were received and not sent to the caller yet
	reserved       = 8        // one part in so many is the reserve
)

// shares divide the node's work at other nodes between its callers.
type shares struct{ asks, streams *share.Pool }

func newShares() shares {
	return shares{asks: share.New(maxAsks, maxAsks/reserved), streams: share.New(maxStreamBytes, maxStreamBytes/reserved)}
}

// errAskGaveWay is the cause of the end of a read whose place was needed.
var errAskGaveWay = errors.New("it gave way: its caller had more than its share when another one came; ask less")

// askAll asks other nodes within the caller's share. A call beyond it is not made.
func (n *Node) askAll(ctx context.Context, others []member.Member, method string, body []byte,
	wait time.Duration) []exchange.Answer {
	caller := n.local.Caller(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var revoke func()
	if method == exchange.MethodPing || contract.ReadOnly(method) {
		revoke = func() { cancel(errAskGaveWay) }
	}
	hold, err := n.shares.asks.Take(exchange.PartyOf(caller), 1, revoke)
	if err != nil {
		u := n.shares.asks.Usage(0)
		return overloaded(others, fmt.Sprintf("it was not asked: %v; %d of %d calls to other nodes are under way, %d of "+
			"them for administrators alone; wait until some have ended", err, u.Held, u.Total, u.Reserve))
	}
	defer hold.Release()
	answers := n.asker.Ask(ctx, others, exchange.Question{Method: method, Body: body, Caller: caller, Wait: wait})
	if errors.Is(context.Cause(ctx), errAskGaveWay) {
		for i := range answers {
			if answers[i].Status == pb.NodeStatus_NODE_STATUS_TIMED_OUT {
				answers[i].Status, answers[i].Message = pb.NodeStatus_NODE_STATUS_OVERLOADED, errAskGaveWay.Error()
			}
		}
	}
	return answers
}

// overloaded are the answers of a call that was not made.
func overloaded(others []member.Member, message string) []exchange.Answer {
	answers := make([]exchange.Answer, len(others))
	for i := range others {
		if !others[i].Asked() {
			answers[i] = exchange.NotAsked(&others[i])
			continue
		}
		answers[i] = exchange.Answer{Node: others[i].Node, Status: pb.NodeStatus_NODE_STATUS_OVERLOADED, Message: message}
	}
	return answers
}
