package contract

import "time"

// Defaults of fields that a request leaves out.
const (
	DefaultPage      = 100             // rows of a page
	DefaultSendWait  = 5 * time.Second // of a Send that waits until it is written
	DefaultFlush     = time.Second     // for a farewell to go out
	DefaultDataBytes = 1024            // payload bytes of a DATA event
)

// Bounds of requests. The comments of the contract state the same ones. Sizes of text and data are in bytes.
const (
	MaxPage         = 1000 // rows of a page; a larger page size means this one
	MaxFilter       = 4096
	MaxIDs          = 1000 // connection IDs of one call
	MaxIDLength     = 256  // of a connection ID; a real one has at most 70
	MaxSend         = 1 << 20
	MaxBroadcast    = 512 << 10
	MaxFarewell     = 64 << 10
	MaxText         = 256 // of a reason
	MaxSendWait     = time.Minute
	MaxFlushTimeout = 30 * time.Second
	MaxGracePeriod  = 24 * time.Hour
	MaxDataBytes    = 64 << 10  // payload bytes of a DATA event
	MaxRequestTypes = 64        // event types of one stream
	MaxCursorLength = 128 << 10 // a fleet's cursor has a part for each node
	MaxNodes        = 1000      // nodes of a scope
	MaxNodeTimeout  = time.Minute
	MaxIdentity     = 1024 // identity of a ban
	MaxNetwork      = 64   // an IP address or a network as text; a real one has at most 49
)

// Form of an event stream.
const (
	// BatchSize is the most events of one response.
	BatchSize = 256
	// BatchPeriod is the least time between two responses that are not full.
	BatchPeriod = 20 * time.Millisecond
	// Heartbeat is how long a stream stays idle before it gets a response without events.
	Heartbeat = 5 * time.Second
)

// MaxResponse is the most bytes of rows or events in one response. Clients refuse 4 MiB and more by default. A thousand
// connections with all their labels, or a batch of DATA, could be larger.
const MaxResponse = 3 << 20

// PageBytes is the most bytes of connections in a page that this version makes, unless one alone is larger. Of other
// nodes it takes pages of MaxResponse.
const PageBytes = 512 << 10

// PageSize returns how many rows a page of a requested size may have: DefaultPage for 0, at most MaxPage. n must not be
// negative: validation refuses that.
func PageSize(n int32) int {
	if n == 0 {
		return DefaultPage
	}
	return int(min(n, MaxPage))
}
