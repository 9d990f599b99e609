// Package memory finds out how much memory the process may have: the least limit of its cgroups, or the memory of the
// machine.
package memory

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Limit is a number of bytes, and the file that sets it.
type Limit struct {
	Bytes   int64  // 0: no file tells one
	File    string // as the process would name it, for example /sys/fs/cgroup/memory.max
	Machine bool   // it is the memory of the whole machine
}

// Find returns the least of the limits that apply to this process. The file system of the machine is below root, which
// is / outside tests. Only Linux has the files; elsewhere Find returns a zero Limit.
func Find(root string) Limit {
	machine := Limit{Bytes: machineBytes(root), File: meminfo, Machine: true}
	if machine.Bytes == 0 {
		machine = Limit{}
	}
	least := machine
	for _, file := range limitFiles(root) {
		if n := readBytes(root, file); n > 0 && (least.Bytes == 0 || n < least.Bytes) {
			least = Limit{Bytes: n, File: file}
		}
	}
	return least
}

// readBytes returns the number in a limit file, or 0 if the file is missing or sets no limit: `max`. Version 1 has no
// word for that; its largest number is above the memory of every machine.
func readBytes(root, file string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(read(root, file)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

const meminfo = "/proc/meminfo"

// machineBytes returns the memory of the machine, or 0.
func machineBytes(root string) int64 {
	for line := range strings.Lines(read(root, meminfo)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil || n > 1<<50 {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// read returns the content of a file, or "" if there is none.
func read(root, file string) string {
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return ""
	}
	return string(b)
}
