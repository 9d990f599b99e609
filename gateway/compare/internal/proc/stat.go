// Package proc starts servers on cores of their own, reads their costs from the kernel, and ends them.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tick is the unit of the times in /proc/PID/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const Tick = 10 * time.Millisecond

// CPU is the processor time of a process, all of its threads together.
type CPU struct {
	Total  time.Duration // to the nanosecond, from the process's CPU clock
	User   time.Duration // in ticks of 10 ms
	System time.Duration // in ticks of 10 ms
}

// Since returns the time that was used after an earlier reading.
func (c CPU) Since(before CPU) CPU {
	return CPU{Total: c.Total - before.Total, User: c.User - before.User, System: c.System - before.System}
}

// And returns the sum of this and another process's time.
func (c CPU) And(other CPU) CPU {
	return CPU{Total: c.Total + other.Total, User: c.User + other.User, System: c.System + other.System}
}

// ReadCPU returns the time that a process has used since it started.
func ReadCPU(pid int) (CPU, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return CPU{}, err
	}
	user, system, err := parseStat(b)
	if err != nil {
		return CPU{}, err
	}
	var now unix.Timespec
	clock := int32(^pid<<3 | 2) // as clock_getcpuclockid(3) makes it: CPUCLOCK_SCHED of the whole process
	if err := unix.ClockGettime(clock, &now); err != nil {
		return CPU{}, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return CPU{Total: time.Duration(now.Nano()), User: user, System: system}, nil
}

// parseStat returns utime and stime, fields 14 and 15. The second field is the program's name in parentheses. The name
// may contain spaces and parentheses, so fields are counted after the last parenthesis.
func parseStat(b []byte) (user, system time.Duration, err error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return 0, 0, fmt.Errorf("stat %.100q: expected a name in parentheses", b)
	}
	fields := strings.Fields(string(b[end+1:])) // from field 3 on
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("stat %.100q: %d fields behind the name; expected at least 13", b, len(fields))
	}
	u, err1 := strconv.ParseInt(fields[11], 10, 64)
	s, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("stat %.100q: utime %q and stime %q: expected numbers", b, fields[11], fields[12])
	}
	return time.Duration(u) * Tick, time.Duration(s) * Tick, nil
}

// ReadResident returns the bytes of a process that are in memory: the Rss of smaps_rollup, which is VmRSS without the
// error of the kernel's per-processor counters.
func ReadResident(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	return parseResident(b)
}

func parseResident(b []byte) (int64, error) {
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "Rss:" || fields[2] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("smaps_rollup line %q: %w", line, err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("smaps_rollup %.200q: expected a line `Rss: N kB`", b)
}

// Descriptors returns how many file descriptors a process has open.
func Descriptors(pid int) (int, error) {
	d, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return len(names), err
}
