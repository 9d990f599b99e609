//go:build !unix || solaris || aix

package ban

import "os"

// lockFile does nothing: these systems have no lock in common.
func lockFile(*os.File) error { return nil }

// syncDirectory does nothing: not every such system can sync a directory.
func syncDirectory(string) error { return nil }

// readOnly is false: these systems have no error in common for it.
func readOnly(error) bool { return false }
