package transport

// receiveBuffered reads the ordinary way, which holds a buffer while it waits.
func (s *netSocket) receiveBuffered() (*[readSize]byte, int, error) {
	buffer := s.engine.buffers.Get().(*[readSize]byte)
	n, err := s.conn.Read(buffer[:])
	return buffer, n, err
}
