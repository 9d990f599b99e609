package server

import (
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
)

// ProcessInfo is what the process uses, whatever else runs in it.
type ProcessInfo struct {
	ResidentBytes uint64 // memory in RAM, without the kernel's socket buffers; 0 where it is not known
	HeapBytes     uint64 // of the Go heap: live objects, and dead ones that were not freed yet
	Goroutines    uint64
}

// processInfo stops nothing: it is safe to ask often.
func processInfo() ProcessInfo {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(samples)
	return ProcessInfo{ResidentBytes: residentBytes(), HeapBytes: samples[0].Value.Uint64(), Goroutines: samples[1].Value.Uint64()}
}

// residentBytes reads what Linux knows about the process; 0 on other systems.
func residentBytes() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return statmResident(string(statm), uint64(os.Getpagesize()))
}

// statmResident finds the resident pages, the second field of statm; 0 in what is not like it.
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
