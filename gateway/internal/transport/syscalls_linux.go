package transport

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reads and writes of non-blocking descriptors go through RawSyscall: they return at once, and with Syscall the runtime would
// take the processor away from the loop in the middle of some of them.

// read returns 0 and io.EOF's meaning as n == 0 and no error; EAGAIN when nothing is there.
func read(fd int, p []byte) (int, error) { return rawIO(unix.SYS_READ, fd, p) }

// write returns how much of p the kernel took; EAGAIN when it has no room.
func write(fd int, p []byte) (int, error) { return rawIO(unix.SYS_WRITE, fd, p) }

// rawIO does not return EINTR: a call that does not wait is not interrupted, and if it ever is, it is repeated.
func rawIO(call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// closeDescriptor closes without waiting. Its error could only repeat what reading or writing has reported, and the descriptor is
// gone also then.
func closeDescriptor(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// control adds, changes or removes what a loop's epoll is to report of a descriptor, with the generation that comes with it.
func control(epfd, op, fd int, generation int32, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: generation}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// shutdownWrite sends FIN.
func shutdownWrite(fd int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	if errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}
