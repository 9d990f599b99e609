package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// unacknowledged returns SIOCOUTQ of tcp(7) for an open TCP socket; -1 on an error.
func unacknowledged(fd int) int {
	var n int32
	// It does not wait: see syscalls_linux.go.
	if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCOUTQ,
		uintptr(unsafe.Pointer(&n))); errno != 0 {
		return -1
	}
	return int(n)
}

// gone reports whether an open TCP socket is in the state CLOSE, by TCP_INFO of tcp(7).
func gone(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == unix.BPF_TCP_CLOSE
}
