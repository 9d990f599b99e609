package fleet

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
)

// answers is what answers the requests of other nodes. The exchange calls it for requests that are for this life of this node and that
// somebody still waits for.
type answers interface {
	// call answers a request of a node. The error is a gRPC status.
	call(ctx context.Context, from string, caller event.Actor, method string, body []byte) ([]byte, error)
	// follow answers one whose answer is a stream. Send may block, and its error ends the stream; it does not keep its argument.
	follow(ctx context.Context, from string, caller event.Actor, method string, body []byte, send func([]byte) error) error
}

// exchange asks other nodes and answers them.
type exchange struct {
	bus      Bus
	subjects subjects
	self     event.Origin
	began    time.Time // what the stamps of this node's heartbeats count from
	roster   roster
	answers  answers
	log      hclog.Logger
}

// start begins to answer other nodes. The error is the bus's.
func (x *exchange) start() error { return nil }

// stop ends everything that is under way, here and for others, and waits for it.
func (x *exchange) stop() {}
