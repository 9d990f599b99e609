//go:build !unix || solaris || aix

package ban

import "os"

// lockFile does nothing here: there is no lock that every such system has.
func lockFile(*os.File) error { return nil }

// syncDirectory does nothing here: directories cannot be synced on every such system.
func syncDirectory(string) error { return nil }
