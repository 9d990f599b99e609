// Package process measures the process and names its node.
package process

import (
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
)

// Usage is the process's use of memory and goroutines at one moment.
type Usage struct {
	ResidentBytes uint64 // memory in RAM, without the kernel's socket buffers; 0 where it is not known
	HeapBytes     uint64 // live objects of the Go heap, and dead ones that are not freed yet
	Goroutines    uint64 // goroutines that exist
}

// Read measures the process. It does not stop other goroutines, so it may be called often and from any goroutine.
func Read() Usage {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(samples)
	return Usage{ResidentBytes: residentBytes(), HeapBytes: samples[0].Value.Uint64(),
		Goroutines: samples[1].Value.Uint64()}
}

// residentBytes returns the resident memory in bytes; 0 on systems other than Linux.
func residentBytes() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return statmResident(string(statm), uint64(os.Getpagesize()))
}

// statmResident returns the second field of statm, the resident pages, in bytes; 0 when the text is malformed.
func statmResident(statm string, pageSize uint64) uint64 {
	fields := strings.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * pageSize
}

// Node returns the first label of the host's name in the form of a node's name, [a-z0-9-]{1,32}; `gateway` without one.
func Node() string {
	host, err := os.Hostname()
	if err != nil {
		return "gateway"
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	fit := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	if fit = fit[:min(len(fit), 32)]; fit == "" {
		return "gateway"
	}
	return fit
}
