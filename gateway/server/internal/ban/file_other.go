//go:build !unix || solaris || aix

package ban

import "os"

// lockFile does nothing: no lock exists on every such system.
func lockFile(*os.File) error { return nil }

// syncDirectory does nothing: not every such system can sync a directory.
func syncDirectory(string) error { return nil }
