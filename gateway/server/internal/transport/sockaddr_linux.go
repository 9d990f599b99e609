package transport

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr is space for the kernel to write an address into.
type sockaddr struct {
	any  unix.RawSockaddrAny
	size uint32
}

// accept takes a waiting connection; the error is EAGAIN when none waits.
func accept(fd int, from *sockaddr) (int, error) {
	for {
		from.size = unix.SizeofSockaddrAny
		n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&from.any)),
			uintptr(unsafe.Pointer(&from.size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// localAddress returns the gateway's address of a connection; the zero value when the kernel does not tell it.
func localAddress(fd int, space *sockaddr) netip.AddrPort {
	space.size = unix.SizeofSockaddrAny
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&space.any)),
		uintptr(unsafe.Pointer(&space.size)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	return space.addrPort()
}

// addrPort returns a TCP address, with IPv4 unmapped; the zero value for any other family.
func (a *sockaddr) addrPort() netip.AddrPort {
	switch a.any.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.any))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), bigEndian(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&a.any))
		ip := netip.AddrFrom16(in.Addr).Unmap()
		if in.Scope_id != 0 && ip.Is6() {
			ip = ip.WithZone(zone(int(in.Scope_id)))
		}
		return netip.AddrPortFrom(ip, bigEndian(&in.Port))
	}
	return netip.AddrPort{}
}

func bigEndian(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// zone names the interface of a link-local address, as the net package does.
func zone(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}
