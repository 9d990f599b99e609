//go:build !linux

package cli

// pipeBroken reports false: only Linux tells; elsewhere the next write fails.
func pipeBroken(int) bool { return false }
