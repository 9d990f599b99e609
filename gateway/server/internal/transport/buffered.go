package transport

// receiveBuffered reads through net.Conn, which holds a buffer while it waits.
func (s *netSocket) receiveBuffered() (*[readSize]byte, int, error) {
	buffer := s.engine.buffers.Get().(*[readSize]byte)
	n, err := s.conn.Read(buffer[:])
	return buffer, n, err
}
