//go:build unix

package daemon

import "golang.org/x/sys/unix"

// The descriptors that are kept for the control plane, files and the runtime, so that the gateway can still be driven when it is
// full: a sixteenth of the limit, within these bounds.
const minSpare, maxSpare = 64, 1024

func spareDescriptors(limit int) int { return min(maxSpare, max(minSpare, limit/16)) }

// descriptorRoom returns how many connections the descriptor limit has room for; 0 when it is not limited.
func descriptorRoom() int {
	limit := descriptorLimit()
	if limit == 0 {
		return 0
	}
	return max(1, limit-spareDescriptors(limit))
}

// controlRoom returns how many connections of clients the control plane has room for: the spare ones, less 32 for files and
// the runtime; 0 when descriptors are not limited.
func controlRoom() int {
	limit := descriptorLimit()
	if limit == 0 {
		return 0
	}
	return spareDescriptors(limit) - 32
}

// descriptorLimit returns how many descriptors the process may have; 0 when it is not limited.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	return int(limit.Cur)
}
