package exchange

import (
	"context"
)

// Stream is what comes from one node that is followed. It is for one goroutine.
type Stream interface {
	// Next returns the next item, an encoded response, and takes it: not before does the node send more than a few. It
	// waits until there is an item. At the end the error is a *StreamEnd; otherwise ctx's.
	Next(ctx context.Context) ([]byte, error)
	// Close tells the node that nobody follows any more.
	Close()
}

// StreamEnd says why a stream came to its end: with OK the node's log has ended.
type StreamEnd struct{ Answer }

// Error says it in words.
func (e *StreamEnd) Error() string { return e.Node + ": " + e.Status.String() + ": " + e.Message }
