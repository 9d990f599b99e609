package bench

import "syscall"

// ipBindAddressNoPort is IP_BIND_ADDRESS_NO_PORT, which package syscall lacks.
const ipBindAddressNoPort = 24

// bindWithoutPort leaves the choice of the port to connect, which can use one port toward several servers. bind would
// take a whole port for each socket.
func bindWithoutPort(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// without it there are only fewer ports
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
	})
}
