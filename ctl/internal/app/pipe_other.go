//go:build !linux

package app

// PipeBroken reports false: only Linux tells; elsewhere the next write fails.
func PipeBroken(int) bool { return false }
