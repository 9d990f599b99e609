package exchange

import (
	"context"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// workKey identifies a request. It contains the asking node, so that no node can name another node's request.
type workKey struct {
	from string
	id   messageID
}

// work is a request under way.
type work struct {
	workKey
	freshness
	place    place
	request  *fleetv1.Request
	ctx      context.Context
	cancel   context.CancelCauseFunc
	harmless bool      // it changes nothing, so it may be ended at any time
	out      *outgoing // set for a stream
}
