//go:build !unix

package transport

import "net"

// rawSocket is empty on systems where sockets cannot be read and written without waiting.
type rawSocket struct{}

func (*rawSocket) init(net.Conn) error { return nil }

func (*rawSocket) tryWrite([]byte) (int, error) { return 0, nil }

func (*rawSocket) unacknowledged() int { return -1 }

func (*rawSocket) gone() bool { return false }

func (s *netSocket) receive() (*[readSize]byte, int, error) { return s.receiveBuffered() }

func (s *netSocket) writes() func([]byte) (int, error) { return s.conn.Write }
