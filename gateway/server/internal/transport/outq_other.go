//go:build !linux

package transport

// unacknowledged is not known here.
func unacknowledged(int) int { return -1 }
