//go:build unix

package daemon

import "golang.org/x/sys/unix"

// spareDescriptors are kept for the control plane, files and the runtime, so that the gateway can still be driven when it is
// full.
const spareDescriptors = 64

// descriptorRoom returns how many connections the descriptor limit has room for; 0 when it is not limited.
func descriptorRoom() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	return max(1, int(limit.Cur)-spareDescriptors)
}
