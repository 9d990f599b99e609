// Package member tells which nodes are in a fleet, by the heartbeats that this node hears and by its monotonic clock
// alone.
package member
