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

// New returns the engine called Net or, where Names has it, Epoll. The engine epoll runs so many loops; 0 means
// GOMAXPROCS, and net ignores the number. The clock gives the moments that endpoints get. An error names the engines
// that this system has, or the system call that failed.
func New(name string, clock Clock, loops int) (Engine, error) {
	switch name {
	case Net:
		return newNet(clock), nil
	case Epoll:
		return newEpoll(clock, cmp.Or(loops, runtime.GOMAXPROCS(0)))
	}
	return nil, fmt.Errorf("engine %q: expected one of %v", name, Names)
}
