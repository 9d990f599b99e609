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

// New returns the engine with a name: Net, or where Names has it Epoll.
func New(name string, clock Clock) (Engine, error) {
	switch name {
	case Net:
		return NewNet(clock), nil
	case Epoll:
		return NewEpoll(clock, runtime.GOMAXPROCS(0))
	}
	return nil, fmt.Errorf("engine %q: expected one of %v", name, Names)
}
