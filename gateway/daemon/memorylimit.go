package daemon

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strings"

	"github.com/sockgate/sockgate/gateway/daemon/memory"
)

const (
	// cgroupShare and machineShare are the percentages of a cgroup's and of a machine's memory that Go's runtime may use.
	// The rest of a cgroup is for the kernel's buffers of its connections; the rest of a machine is for its other programs
	// too.
	cgroupShare, machineShare = 80, 50
	// memoryVariable is the variable with the operator's own limit, which Go's runtime reads.
	memoryVariable = "GOMEMLIMIT"
)

// memoryLimit is the soft limit of the memory that Go's runtime uses: near it, garbage is collected more often.
type memoryLimit struct {
	bytes int64  // 0: none
	from  string // for the log
	least int64  // of bytes and the share that was found; 0: neither is known
}

// limitMemory sets the runtime's limit for the whole process, unless the operator has set one. GOMEMLIMIT=off sets
// none.
func limitMemory(p *Process) memoryLimit {
	l := shareOf(memory.Find(cmp.Or(p.Root, "/")))
	if cmp.Or(environment(p.Environ, memoryVariable), os.Getenv(memoryVariable)) != "" {
		own := limitInForce()
		return memoryLimit{bytes: own, from: memoryVariable, least: leastKnown(own, l.bytes)}
	}
	if l.bytes > 0 {
		debug.SetMemoryLimit(l.bytes)
	}
	return l
}

// limitInForce returns the runtime's limit, or 0 if there is none.
func limitInForce() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	return 0
}

// shareOf returns the runtime's share of the memory that was found, in whole MiB.
func shareOf(found memory.Limit) memoryLimit {
	share := int64(cgroupShare)
	switch {
	case found.Bytes == 0:
		return memoryLimit{from: "no cgroup and no machine tells its memory"}
	case found.Machine:
		share = machineShare
	}
	bytes := found.Bytes/100*share + found.Bytes%100*share/100
	if whole := bytes &^ (1<<20 - 1); whole > 0 {
		bytes = whole
	}
	return memoryLimit{bytes: bytes, from: fmt.Sprintf("%d%% of %s", share, found.File), least: bytes}
}

// leastKnown returns the lesser of two limits; 0 is unknown.
func leastKnown(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// environment returns the value of a variable, or "".
func environment(environ []string, name string) string {
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// String returns the limit for the log.
func (l memoryLimit) String() string {
	if l.bytes == 0 {
		return "none"
	}
	b := byteSize(l.bytes)
	return b.String()
}
