package server_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sockgate/sockgate/gateway/server"
)

// Accepted connections are plain TCP, and have the options of their listener's socket. Kernels before 6.10 refuse to
// set keep-alive times on Multipath TCP.
func TestListenPlainTCP(t *testing.T) {
	ln, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if protocol, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil ||
			protocol != unix.IPPROTO_TCP {
			t.Errorf("the listener's protocol is %d, %v; expected %d", protocol, err, unix.IPPROTO_TCP)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
