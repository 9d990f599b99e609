package custody

import "golang.org/x/sys/unix"

// readOnly reports whether a folder is on a read-only mount, such as a Kubernetes ConfigMap, whose folder has the mode
// 0777.
func readOnly(folder string) bool {
	var s unix.Statfs_t
	return unix.Statfs(folder, &s) == nil && s.Flags&unix.ST_RDONLY != 0
}
