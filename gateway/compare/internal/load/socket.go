// Package load makes the load that servers are measured with: many connections, one epoll, one thread. Nothing is allocated for
// a message, every byte that comes back is compared with what was sent, and reads and writes are raw system calls, so that the
// server is busy and not the load.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sources is how many addresses of 127.0.0.0/8 connections come from, in turn, so that ports do not run out: a port whose
// connection has ended is not free for a minute.
const sources = 64

// target is a server's address, with the sources for connections to it.
type target struct {
	address unix.SockaddrInet4
	next    int // the next source
}

func newTarget(a netip.AddrPort) (target, error) {
	if !a.Addr().Unmap().Is4() || !a.Addr().Unmap().IsLoopback() {
		return target{}, fmt.Errorf("server at %s: expected an IPv4 loopback address", a)
	}
	return target{address: unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}}, nil
}

// connect starts a connection, which is made when its descriptor is writable.
func (t *target) connect() (int, error) {
	for range sources {
		fd, err := t.connectFrom([4]byte{127, 0, 0, byte(2 + t.next)})
		t.next = (t.next + 1) % sources
		if !errors.Is(err, unix.EADDRNOTAVAIL) { // no port is free at this source
			return fd, err
		}
	}
	return -1, fmt.Errorf("no port is free at any of %d source addresses; wait a minute, or widen net.ipv4.ip_local_port_range", sources)
}

func (t *target) connectFrom(source [4]byte) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1), // the port is chosen by connect, which knows the peer
		unix.Bind(fd, &unix.SockaddrInet4{Addr: source}),
	)
	if err == nil {
		err = unix.Connect(fd, &t.address)
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connecting from %v: %w", source, err)
	}
	return fd, nil
}

// abort closes with a reset, so that the port is free at once.
func abort(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}

// poller is an epoll instance.
type poller struct {
	fd     int
	events [512]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return &poller{fd: fd}, nil
}

// control adds or changes what is waited for at a descriptor. Its events carry index.
func (p *poller) control(op, fd, index int, events uint32) error {
	if err := unix.EpollCtl(p.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(index)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// wait returns the events there are; when there are none it waits for some until the time is over. What is waited for is first
// asked without waiting, and raw, which a busy load never goes beyond.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno == 0 && n == 0 && timeout > 0 {
		most := unix.NsecToTimespec(int64(timeout))
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
			uintptr(unsafe.Pointer(&most)), 0, 0)
	}
	switch errno {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	default:
		return nil, fmt.Errorf("epoll_wait: %w", errno)
	}
}

// sleepExactly makes the waits of this thread end when their time is over, and not up to 50 µs later.
func sleepExactly() error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_TIMERSLACK: %w", err)
	}
	return nil
}

func (p *poller) close() { _ = unix.Close(p.fd) }

func rawRead(fd int32, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func rawWrite(fd int32, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

// again reports whether a call is to be made again when the descriptor is ready.
func again(errno unix.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }
