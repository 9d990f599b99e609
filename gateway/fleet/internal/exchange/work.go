package exchange

import (
	"context"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// workKey names a request. It has the asking node, so that no node can name another's request.
type workKey struct {
	from string
	id   messageID
}

// load is how much is under way.
type load struct{ requests, streams, bytes int }

// work is a request that is under way.
type work struct {
	workKey
	freshness
	request  *fleetv1.Request
	ctx      context.Context
	cancel   context.CancelCauseFunc
	harmless bool      // it may be ended at any time: it changes nothing
	out      *outgoing // of a stream
}
