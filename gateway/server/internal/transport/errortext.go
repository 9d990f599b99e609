package transport

import (
	"errors"
	"net"
	"os"
)

// ErrorText shortens an error to what is new to the reader: the connection's addresses are in the event already.
func ErrorText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		if err = op.Err; op.Op == "remote error" || op.Op == "local error" { // a TLS alert: its sender is half of the news
			return op.Op + ": " + err.Error()
		}
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Syscall + ": " + call.Err.Error()
	}
	return err.Error()
}
