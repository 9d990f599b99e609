// Package load makes the load for measuring servers: many connections, one epoll, one thread. It allocates nothing for
// a message, and its reads and writes are raw system calls, so that the server is busy and not the load. It compares
// every byte that comes back with the byte that was sent.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sources is how many addresses of 127.0.0.0/8 connections come from, in turn. With one address, ports could run out: a
// port is not free for a minute after its connection has ended.
const sources = 64

// target is a server's address, with the source addresses for connections to it.
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

// connect starts a connection. It is made when its descriptor is writable.
func (t *target) connect() (int, error) {
	for range sources {
		fd, err := t.connectFrom([4]byte{127, 0, 0, byte(2 + t.next)})
		t.next = (t.next + 1) % sources
		if !errors.Is(err, unix.EADDRNOTAVAIL) { // no port is free at this source
			return fd, err
		}
	}
	return -1, fmt.Errorf("no port is free at any of %d source addresses; "+
		"wait a minute, or widen net.ipv4.ip_local_port_range", sources)
}

func (t *target) connectFrom(source [4]byte) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		// connect chooses the port, because it knows the peer.
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
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

// abort closes a connection with a reset, so that its port is free at once.
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

// control adds a descriptor or changes the events to wait for at it. Its events carry index.
func (p *poller) control(op, fd, index int, events uint32) error {
	if err := unix.EpollCtl(p.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(index)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// wait returns events, and waits for them at most until the time is over. It first asks without waiting, by a raw
// system call: a busy load never needs more.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), 0, 0, 0)
	if errno == 0 && n == 0 && timeout > 0 {
		most := unix.NsecToTimespec(int64(timeout))
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)),
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

// sleepExactly makes the waits of this thread end on time, and not up to 50 µs later.
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

// again reports whether an error means that the call is to be made again when the descriptor is ready.
func again(errno unix.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }
