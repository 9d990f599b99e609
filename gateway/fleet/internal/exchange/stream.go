package exchange

import (
	"context"
)

// Stream is the stream of items of one node. It is for one goroutine.
type Stream interface {
	// Next returns the next item, an encoded response, and takes it: the node sends only a few items ahead. It waits until
	// there is an item. At the end the error is a *StreamEnd; otherwise ctx's.
	Next(ctx context.Context) ([]byte, error)
	// Close tells the node that the stream is not followed any more. It may be called more than once.
	Close()
}

// StreamEnd says why a stream came to its end: with OK the node's log has ended.
type StreamEnd struct{ Answer }

// Error says it in words.
func (e *StreamEnd) Error() string { return e.Node + ": " + e.Status.String() + ": " + e.Message }
