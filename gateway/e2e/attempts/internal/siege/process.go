//go:build linux

package siege

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is the use of resources by a process at one moment.
type Process struct {
	Resident    int64 // bytes: VmRSS
	Peak        int64 // bytes: VmHWM, the most since it was reset
	Threads     int
	Descriptors int
	CPU         time.Duration // since it started
}

// ReadProcess reads it from /proc.
func ReadProcess(pid int) (p Process, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, err
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64) // lines that are no number have other names
		switch fields[0] {
		case "VmRSS:":
			p.Resident = n << 10
		case "VmHWM:":
			p.Peak = n << 10
		case "Threads:":
			p.Threads = int(n)
		}
	}
	if names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		p.Descriptors = len(names)
	}
	p.CPU, err = readCPU(pid)
	return p, err
}

func readCPU(pid int) (time.Duration, error) {
	var now unix.Timespec
	clock := int32(^pid<<3 | 2) // as clock_getcpuclockid(3) makes it: CPUCLOCK_SCHED of the whole process
	if err := unix.ClockGettime(clock, &now); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(now.Nano()), nil
}

// resetPeak makes the kernel forget a process's peak.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
