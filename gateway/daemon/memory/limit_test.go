package memory_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sockgate/sockgate/gateway/daemon/memory"
)

const (
	v2Mount     = "30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount     = "34 30 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	otherMounts = "22 1 8:1 / / rw - ext4 /dev/sda rw\n35 30 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\nodd\n"
	eightGiB    = "MemTotal:        8388608 kB\nMemFree:         1024 kB\n"
)

// TestFind checks the least limit of every layout of cgroups, in a file system of its own.
func TestFind(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  memory.Limit
	}{
		"nothing": {nil, memory.Limit{}},
		"machine": {map[string]string{"proc/meminfo": eightGiB},
			memory.Limit{Bytes: 8 << 30, File: "/proc/meminfo", Machine: true}},
		"v2 in a container": {map[string]string{"proc/meminfo": eightGiB, "proc/self/mountinfo": otherMounts + v2Mount,
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n", "sys/fs/cgroup/memory.high": "max\n"},
			memory.Limit{Bytes: 1 << 30, File: "/sys/fs/cgroup/memory.max"}},
		"v2 high": {map[string]string{"proc/meminfo": eightGiB, "proc/self/mountinfo": v2Mount, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.high": "1000000\n"},
			memory.Limit{Bytes: 1000000, File: "/sys/fs/cgroup/memory.high"}},
		"v2 service": {map[string]string{"proc/self/mountinfo": v2Mount,
			"proc/self/cgroup": "0::/system.slice/gateway.service\n",
			"sys/fs/cgroup/system.slice/gateway.service/memory.max": "max\n",
			"sys/fs/cgroup/system.slice/memory.max":                 "2097152\n"},
			memory.Limit{Bytes: 2 << 20, File: "/sys/fs/cgroup/system.slice/memory.max"}},
		"v2 without a limit": {map[string]string{"proc/meminfo": eightGiB, "proc/self/mountinfo": v2Mount,
			"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"},
			memory.Limit{Bytes: 8 << 30, File: "/proc/meminfo", Machine: true}},
		"above the machine": {map[string]string{"proc/meminfo": eightGiB, "proc/self/mountinfo": v2Mount,
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "99999999999999\n"},
			memory.Limit{Bytes: 8 << 30, File: "/proc/meminfo", Machine: true}},
		"v1": {map[string]string{"proc/meminfo": eightGiB, "proc/self/mountinfo": otherMounts + v1Mount,
			"proc/self/cgroup":                               "4:cpu,memory:/a/b\n1:cpu:/x\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes":   "4096\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "8192\n"},
			memory.Limit{Bytes: 4096, File: "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"}},
		"v1 in a container with the host's names": {map[string]string{
			"proc/self/mountinfo": "34 30 0:31 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"proc/self/cgroup":    "4:memory:/docker/1/inner\n",
			"sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":       "5000\n"},
			memory.Limit{Bytes: 5000, File: "/sys/fs/cgroup/memory/memory.limit_in_bytes"}},
		"outside the mounted tree": {map[string]string{"proc/self/mountinfo": v2Mount, "proc/self/cgroup": "0::/../../etc\n",
			"sys/fs/cgroup/memory.max": "7000\n"}, memory.Limit{Bytes: 7000, File: "/sys/fs/cgroup/memory.max"}},
		"a mount with a space": {map[string]string{
			"proc/self/mountinfo": "34 30 0:31 / /a\\040b rw - cgroup2 x rw\n", "proc/self/cgroup": "0::/\n",
			"a b/memory.max": "6000\n"}, memory.Limit{Bytes: 6000, File: "/a b/memory.max"}},
		"damaged": {map[string]string{"proc/meminfo": "MemTotal: many kB\n", "proc/self/mountinfo": v2Mount,
			"proc/self/cgroup": "0::/\n:\n", "sys/fs/cgroup/memory.max": "-5\n", "sys/fs/cgroup/memory.high": "x"},
			memory.Limit{}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range c.files {
				write(t, filepath.Join(root, file), text)
			}
			if got := memory.Find(root); got != c.want {
				t.Errorf("%+v; expected %+v", got, c.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
