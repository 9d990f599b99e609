package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// banFile is the name of the ban file in the state directory.
const banFile = "bans.json"

// stateFromSystemd returns the directory that systemd made for the service (StateDirectory=), the first if there are
// several. It returns "" without systemd.
func stateFromSystemd(environ []string) string {
	for _, e := range environ {
		if list, ok := strings.CutPrefix(e, "STATE_DIRECTORY="); ok {
			first, _, _ := strings.Cut(list, ":")
			return first
		}
	}
	return ""
}

// openState returns the path of the ban file. If the state directory does not exist, openState creates it for its owner
// alone. The error names the directory.
func openState(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("--state-dir %s cannot be made: %w", dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("--state-dir: %w", err)
	}
	const othersWrite = 0o002
	if os.PathSeparator == '/' && info.Mode()&othersWrite != 0 {
		return "", fmt.Errorf("--state-dir %s can be written to by everybody on this machine, who could lift bans: take "+
			"the right away (chmod o-w)", dir)
	}
	return filepath.Join(dir, banFile), nil
}
