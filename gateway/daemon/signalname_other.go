//go:build !unix

package daemon

import "os"

func signalName(s os.Signal) string { return s.String() }
