package transport

import (
	"cmp"
	"fmt"
	"runtime"
)

// The engines' names, for New.
const (
	Net   = "net"
	Epoll = "epoll"
)

// New returns the engine with a name in Names. The engine epoll runs the given number of loops; 0 means GOMAXPROCS, and
// net ignores the number. The clock gives the moments that endpoints get. The error names this system's engines, or the
// system call that failed.
func New(name string, clock Clock, loops int) (Engine, error) {
	switch name {
	case Net:
		return newNet(clock), nil
	case Epoll:
		return newEpoll(clock, cmp.Or(loops, runtime.GOMAXPROCS(0)))
	}
	return nil, fmt.Errorf("engine %q: expected one of %v", name, Names)
}
