package remote

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
)

// errLeft is the cause of the end of a node that no other node names.
var errLeft = errors.New("the node has left the fleet")

// node is one gateway, with the lanes to it.
type node struct {
	fleet   *fleet
	name    string // of seed: empty
	address string // of seed: empty
	seed    bool   // conn is that of Serve
	conn    grpc.ClientConnInterface
	ctx     context.Context // ends when the lanes are to end
	cancel  context.CancelCauseFunc
	lanes   sync.WaitGroup
}

func (f *fleet) newNode(name, address string) *node {
	n := &node{fleet: f, name: name, address: address}
	n.ctx, n.cancel = context.WithCancelCause(f.ctx)
	return n
}

// run serves the node until its lanes have ended.
func (n *node) run() {
	defer n.cancel(errLeft)
	if n.conn == nil && !n.dial() {
		return
	}
	for range n.fleet.config.Lanes {
		s := &slot{node: n}
		n.lanes.Go(func() { s.run(backoff{}, relief{}) })
	}
	n.lanes.Wait()
	if c, ok := n.conn.(io.Closer); ok && !n.seed {
		_ = c.Close() // nothing uses it any more
	}
}

// dial connects to the node, and returns false when the node is over before.
func (n *node) dial() bool {
	for b := (backoff{}); ; {
		conn, err := n.fleet.config.Dial(n.ctx, n.name, n.address)
		if err == nil && conn != nil {
			n.conn = conn
			return true
		}
		if n.ctx.Err() != nil {
			return false
		}
		n.fleet.config.Logger.Warn("a node of the fleet was not dialed, and will be again", "node", n.name,
			"address", n.address, "error", err)
		if !b.wait(n.ctx) {
			return false
		}
	}
}

// abandons reports whether lanes end without a drain, now that ctx has ended.
func (n *node) abandons() bool {
	return n.fleet.config.DrainTimeout < 0 || n.fleet.failed() != nil || errors.Is(context.Cause(n.ctx), ErrAbandon)
}
