// Package member keeps track of the nodes in a fleet, by the heartbeats that this node hears and by its monotonic clock
// alone.
package member
