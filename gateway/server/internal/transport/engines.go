package transport

import (
	"fmt"
	"runtime"
)

// The engines' names.
const (
	Net   = "net"
	Epoll = "epoll"
)

// New returns the engine with a name: Net, or where Names has it Epoll, with so many loops; 0: as many as GOMAXPROCS.
func New(name string, clock Clock, loops int) (Engine, error) {
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	switch name {
	case Net:
		return newNet(clock), nil
	case Epoll:
		return newEpoll(clock, loops)
	}
	return nil, fmt.Errorf("engine %q: expected one of %v", name, Names)
}
