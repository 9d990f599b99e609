//go:build !unix

package daemon

import "os"

// signalName returns a signal's name.
func signalName(s os.Signal) string { return s.String() }
