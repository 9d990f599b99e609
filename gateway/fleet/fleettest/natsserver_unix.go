//go:build unix

package fleettest

import "syscall"

// Freeze stops the process, or lets it go on.
func (s *NATSServer) Freeze(frozen bool) {
	s.t.Helper()
	signal := syscall.SIGCONT
	if frozen {
		signal = syscall.SIGSTOP
	}
	s.check(s.command.Process.Signal(signal))
}
