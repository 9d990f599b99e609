package exchange

import (
	"context"
)

// Stream is the stream of items of one node. It is for use by one goroutine.
type Stream interface {
	// Next waits for the next item, an encoded response, and takes it. The node sends only a few items ahead. At the end
	// of the stream the error is a *StreamEnd; otherwise it is that of ctx.
	Next(ctx context.Context) ([]byte, error)
	// Close tells the node that the stream is no longer followed. It may be called more than once.
	Close()
}

// StreamEnd says why a stream ended. With OK, the node's log has ended.
type StreamEnd struct{ Answer }

// Error returns the node, its status and its message.
func (e *StreamEnd) Error() string { return e.Node + ": " + e.Status.String() + ": " + e.Message }
