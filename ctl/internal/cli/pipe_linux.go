package cli

import "syscall"

// pipeBroken reports whether fd is a pipe whose reader has gone. The writing end of a pipe is readable only then.
func pipeBroken(fd int) bool {
	var stat syscall.Stat_t
	if syscall.Fstat(fd, &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return false
	}
	var set syscall.FdSet
	if fd >= 31 {
		return false // a word of the set has 32 bits or 64; stdout is 1
	}
	set.Bits[0] |= 1 << fd
	n, err := syscall.Select(fd+1, &set, nil, nil, &syscall.Timeval{})
	return err == nil && n == 1
}
