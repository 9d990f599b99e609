package contract

import (
	"time"
)

const (
	DefaultPage        = 100
	MaxPage            = 1000
	DefaultSendWait    = 5 * time.Second
	DefaultFlush       = time.Second
	DefaultMaxDataSize = 1024
	// BatchSize is the most events of one response.
	BatchSize = 256
	// BatchPeriod is the least time between two responses that are not full.
	BatchPeriod = 20 * time.Millisecond
	// Heartbeat is how long a stream stays idle before it gets a response without events.
	Heartbeat       = 5 * time.Second
	MaxFilter       = 4096
	MaxIDs          = 1000
	MaxIDLength     = 256 // a real one has at most 70
	MaxSend         = 1 << 20
	MaxBroadcast    = 512 << 10
	MaxFarewell     = 64 << 10
	MaxText         = 256
	MaxSendWait     = time.Minute
	MaxFlushTimeout = 30 * time.Second
	MaxGracePeriod  = 24 * time.Hour
	MaxDataBytes    = 64 << 10
	MaxRequestTypes = 64
	MaxCursorLength = 128 << 10
	MaxNodes        = 1000 // of a scope
	MaxNodeTimeout  = time.Minute
	MaxIdentity     = 1024 // of a ban
	MaxNetwork      = 64   // an IP address or a network as text; a real one has at most 49
)

// MaxResponse is how many bytes of rows or events a response has at most: clients refuse 4 MiB and more by default, and a
// thousand connections with all the labels that they can have, or a batch of DATA, would be more.
const MaxResponse = 3 << 20

func PageSize(n int32) int {
	if n == 0 {
		return DefaultPage
	}
	return int(min(n, MaxPage))
}
