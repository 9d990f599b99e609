//go:build unix

package daemon

import "golang.org/x/sys/unix"

// A sixteenth of the descriptor limit, within these bounds, is reserved for the control plane, files and the runtime,
// so that a full gateway can still be driven.
const minSpare, maxSpare = 64, 1024

func spareDescriptors(limit int) int { return min(maxSpare, max(minSpare, limit/16)) }

// connectionDescriptors returns how many connections the descriptor limit allows; 0 without a limit.
func connectionDescriptors() int {
	limit := descriptorLimit()
	if limit == 0 {
		return 0
	}
	return max(1, limit-spareDescriptors(limit))
}

// controlDescriptors returns how many connections the control plane may have: the spare descriptors, less 32 for files
// and the runtime; 0 without a limit.
func controlDescriptors() int {
	limit := descriptorLimit()
	if limit == 0 {
		return 0
	}
	return spareDescriptors(limit) - 32
}

// descriptorLimit returns how many descriptors the process may have, or 0 if there is no limit.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	return int(limit.Cur)
}
