package transport

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reads and writes of non-blocking descriptors go through RawSyscall, because they return at once. With Syscall, the
// runtime would sometimes take the processor away from the loop in the middle of a call.

// receive reads from a socket. It returns 0 and no error at the end of the stream, and EAGAIN when no byte is there.
func receive(fd int, p []byte) (int, error) {
	return retrying(unix.SYS_RECVFROM, fd, p, 0)
}

// send writes to a socket without SIGPIPE, and returns how many bytes of p the kernel took; EAGAIN when it takes none.
func send(fd int, p []byte) (int, error) {
	return retrying(unix.SYS_SENDTO, fd, p, unix.MSG_NOSIGNAL)
}

// retrying makes a system call, and repeats it after EINTR. This is a precaution, because a call that does not wait is
// not interrupted. The calls are recv(2) and send(2), which are a little faster than read(2) and write(2): these must
// first find out that the descriptor is a socket.
func retrying(call uintptr, fd int, p []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// closeDescriptor closes without waiting. An error could only repeat one that reading or writing has reported, and the
// descriptor is gone even then.
func closeDescriptor(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// ofOther is the generation of a descriptor that belongs to no connection.
const ofOther = 0

// control sets the events that a loop's epoll reports for a descriptor, and the generation in each report.
func control(epfd, op, fd int, generation int32, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: generation}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
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
