//go:build !linux

package transport

// unacknowledged is not known on this system.
func unacknowledged(int) int { return -1 }

// gone is not known on this system.
func gone(int) bool { return false }
