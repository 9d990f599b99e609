// Package process says what the process uses, and what its host is called.
package process

import (
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
)

// Usage is what the process uses.
type Usage struct {
	ResidentBytes uint64 // memory in RAM, without the kernel's socket buffers; 0 where it is not known
	HeapBytes     uint64 // of the Go heap: live objects, and dead ones that were not freed yet
	Goroutines    uint64
}

// Read measures. It stops nothing: it is safe to ask often.
func Read() Usage {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(samples)
	return Usage{ResidentBytes: residentBytes(), HeapBytes: samples[0].Value.Uint64(),
		Goroutines: samples[1].Value.Uint64()}
}

// residentBytes reads what Linux knows about the process; 0 on other systems.
func residentBytes() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return statmResident(string(statm), uint64(os.Getpagesize()))
}

// statmResident finds the resident pages, the second field of statm; 0 when the text is malformed.
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

// Node makes a node name of the host's name; `gateway` when there is none.
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
