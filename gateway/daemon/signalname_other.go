//go:build !unix

package daemon

import "os"

// signalName returns what a signal is called.
func signalName(s os.Signal) string { return s.String() }
