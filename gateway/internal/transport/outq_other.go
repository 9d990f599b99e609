//go:build !linux

package transport

// unacknowledged cannot be known.
func (*rawSocket) unacknowledged() int { return -1 }
