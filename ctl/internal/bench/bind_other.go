//go:build !linux

package bench

import "syscall"

// bindWithoutPort is for Linux only.
func bindWithoutPort(_, _ string, _ syscall.RawConn) error { return nil }
