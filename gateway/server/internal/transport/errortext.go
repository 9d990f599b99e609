package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// ErrorText returns the text of an error without the addresses, which the event has already.
func ErrorText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		if err = op.Err; op.Op == "remote error" || op.Op == "local error" { // a TLS alert: the sender matters
			return op.Op + ": " + err.Error()
		}
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Syscall + ": " + call.Err.Error()
	}
	return err.Error()
}

// Broken reports whether an error of reading or writing says that the peer has reset the connection, or that it broke.
func Broken(err error) bool {
	for _, cause := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT, syscall.ENOTCONN,
		io.ErrClosedPipe, ErrTruncated} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}
