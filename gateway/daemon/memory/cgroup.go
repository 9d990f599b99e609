package memory

import (
	"path"
	"slices"
	"strings"
)

// hierarchy is a mounted tree of cgroups that may limit memory.
type hierarchy struct {
	root  string // the cgroup that is mounted
	point string // the folder where it is mounted
	files []string
}

// filesOfV1 and filesOfV2 are the files with the limits of a cgroup, by version. In version 2, a process above
// memory.high is slowed down, and above memory.max it is ended.
var filesOfV1, filesOfV2 = []string{"memory.limit_in_bytes"}, []string{"memory.max", "memory.high"}

// limitFiles lists the files that may limit the memory of this process: in its own cgroups and in all above them.
func limitFiles(root string) (files []string) {
	v1, v2 := ownCgroups(root)
	for line := range strings.Lines(read(root, "/proc/self/mountinfo")) {
		h, ok := parseMount(line)
		if !ok {
			continue
		}
		own := v1
		if slices.Equal(h.files, filesOfV2) {
			own = v2
		}
		files = append(files, h.above(own)...)
	}
	return files
}

// ownCgroups returns this process's cgroups in the version 1 tree for memory and in the version 2 tree. A missing one
// is the top of its tree.
func ownCgroups(root string) (v1, v2 string) {
	for line := range strings.Lines(read(root, "/proc/self/cgroup")) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(fields) != 3:
		case fields[0] == "0" && fields[1] == "":
			v2 = fields[2]
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			v1 = fields[2]
		}
	}
	return v1, v2
}

// parseMount reads a line of mountinfo. It reports whether the line mounts cgroups that may limit memory.
func parseMount(line string) (h hierarchy, ok bool) {
	before, after, _ := strings.Cut(line, " - ")
	mount, kind := strings.Fields(before), strings.Fields(after)
	if len(mount) < 5 || len(kind) < 3 {
		return h, false
	}
	h = hierarchy{root: unescape(mount[3]), point: unescape(mount[4])}
	switch {
	case kind[0] == "cgroup2":
		h.files = filesOfV2
	case kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), "memory"):
		h.files = filesOfV1
	default:
		return h, false
	}
	return h, true
}

// unescape returns a path of mountinfo, where white space and backslashes are octal.
func unescape(text string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(text)
}

// above lists the limit files of a cgroup and of all above it, up to the mounted one. A cgroup that is not below the
// mounted one, as in a container that sees the names of its host, is taken for the mounted one.
func (h *hierarchy) above(own string) (files []string) {
	below, ok := strings.CutPrefix(path.Clean("/"+own)+"/", strings.TrimSuffix(h.root, "/")+"/")
	if !ok {
		below = ""
	}
	for folder := path.Join(h.point, below); ; folder = path.Dir(folder) {
		for _, file := range h.files {
			files = append(files, path.Join(folder, file))
		}
		if len(folder) <= len(path.Clean(h.point)) {
			return files
		}
	}
}
