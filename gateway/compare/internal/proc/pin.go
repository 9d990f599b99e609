package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Cores is a set of processors, by the kernel's numbers.
type Cores []int

// String returns the form of taskset(1): `0,2,3`.
func (c Cores) String() string {
	var words []string
	for _, n := range c {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

// ParseCores reads a list of numbers and ranges, for example `0,2-3`.
func ParseCores(text string) (Cores, error) {
	var cores Cores
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 10)
		to, err2 := strconv.ParseUint(last, 10, 10)
		if err1 != nil || err2 != nil || from > to {
			return nil, fmt.Errorf("cores %q: expected numbers below 1024 and ranges, for example 0 or 0,2-3", text)
		}
		for n := from; n <= to; n++ {
			cores = append(cores, int(n))
		}
	}
	slices.Sort(cores)
	return slices.Compact(cores), nil
}

// Available returns the cores that this process may use.
func Available() (Cores, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cores Cores
	for n := range len(set) * strconv.IntSize {
		if set.IsSet(n) {
			cores = append(cores, n)
		}
	}
	return cores, nil
}

// Exec replaces this process by another program. The program runs on these cores only, sees them from its start (as
// GOMAXPROCS and the like), and may open as many files as the hard limit allows. Exec returns only when it fails.
func Exec(cores Cores, command []string) error {
	if len(command) == 0 {
		return errors.New("no command to run")
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	set := cores.set()
	runtime.LockOSThread() // the new program inherits from the thread that executes it
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pinning to cores %s: %w", cores, err)
	}
	limit, err := DescriptorLimit()
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("raising the descriptor limit to %d: %w", limit, err)
	}
	return syscall.Exec(path, command, os.Environ())
}

// Stay keeps all present and later threads of this process on these cores.
func Stay(cores Cores) error {
	set := cores.set()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0)) // set by hand, it does not follow the affinity
	if err := eachThread(func(id int) error { return unix.SchedSetaffinity(id, &set) }); err != nil {
		return fmt.Errorf("pinning to cores %s: %w", cores, err)
	}
	return nil
}

// lowest is the nice value that yields to every other one.
const lowest = 19

// GiveWay makes all present and later threads of this process yield to the other processes of its session on the same
// cores.
func GiveWay() error {
	if err := eachThread(func(id int) error { return unix.Setpriority(unix.PRIO_PROCESS, id, lowest) }); err != nil {
		return fmt.Errorf("nice %d: %w", lowest, err)
	}
	return nil
}

// eachThread calls do once for every thread of this process. Later threads inherit the effect from the thread that
// makes them.
func eachThread(do func(id int) error) error {
	done := make(map[string]bool)
	for more := true; more; { // until no new thread is found
		more = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil || done[t.Name()] {
				continue
			}
			if err := do(id); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			done[t.Name()], more = true, true
		}
	}
	return nil
}

func (c Cores) set() (set unix.CPUSet) {
	for _, n := range c {
		set.Set(n)
	}
	return set
}

// DescriptorLimit returns the hard limit of open files.
func DescriptorLimit() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("descriptor limit: %w", err)
	}
	return limit.Max, nil
}
