package transport

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// epollEngine is the engine for Linux: several loops, each a goroutine with an epoll of its own (epoll(7),
// level-triggered). A loop reads with one buffer for all its sockets. An idle socket owns no goroutine, no buffer and
// no timer.
type epollEngine struct {
	clock   Clock
	loops   []*loop
	sockets descriptors
	running sync.WaitGroup // loops
	open    sync.WaitGroup // sockets

	last atomic.Int32 // the newest generation

	acceptors sync.Map // descriptor → *epollAcceptor
}

// newEpoll returns the `epoll` engine with the given number of loops; fewer than 1 means 1. More loops than processors
// are of no use. The clock is the server's.
func newEpoll(clock Clock, loops int) (Engine, error) {
	e := &epollEngine{clock: clock}
	for range max(loops, 1) {
		l, err := newLoop(e)
		if err != nil {
			e.Wait()
			return nil, err
		}
		e.loops = append(e.loops, l)
		e.running.Go(l.run)
	}
	return e, nil
}

// Name returns "epoll".
func (e *epollEngine) Name() string { return Epoll }

// Wait implements Engine.
func (e *epollEngine) Wait() {
	e.open.Wait()
	for _, l := range e.loops {
		l.stop()
	}
	e.running.Wait()
	for _, l := range e.loops {
		l.release()
	}
	e.loops = nil
}

// generation returns a number for a socket. It repeats only after four billion sockets, and is never ofOther.
func (e *epollEngine) generation() int32 {
	for {
		if g := e.last.Add(1); g != ofOther {
			return g
		}
	}
}

// newSocket wraps a descriptor in a socket on the loop that has the fewest sockets.
func (e *epollEngine) newSocket(fd int, tcp bool) *epollSocket {
	l := e.loops[0]
	for _, other := range e.loops[1:] {
		if other.sockets.Load() < l.sockets.Load() {
			l = other
		}
	}
	l.sockets.Add(1)
	e.open.Add(1)
	s := &epollSocket{loop: l, fd: int32(fd), generation: e.generation()}
	if tcp {
		s.flags.Store(socketTCP)
	}
	return s
}

// newLoop opens the descriptors of a loop. The caller starts it with run.
func newLoop(e *epollEngine) (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("engine epoll: %w", os.NewSyscallError("epoll_create1", err))
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = control(epfd, unix.EPOLL_CTL_ADD, wakefd, ofOther, unix.EPOLLIN)
	}
	if err != nil {
		if wakefd >= 0 {
			closeDescriptor(wakefd)
		}
		closeDescriptor(epfd)
		return nil, fmt.Errorf("engine epoll: %w", os.NewSyscallError("eventfd", err))
	}
	return &loop{engine: e, epfd: epfd, wakefd: wakefd, buffer: make([]byte, readSize)}, nil
}
