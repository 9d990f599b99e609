package server

// What the tests need to know of the package's limits.
const (
	ClosedKept   = closedKept
	ScanRows     = scanRows
	RequestsKept = requestsKept
	ReadReserve  = handlerReserve
)

// Opened reports whether a connection's socket has started: until then sends are queued.
func (s *Server) Opened(id string) bool {
	c, _, _ := s.find(id)
	if c == nil {
		return true // it was opened and has closed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has(flagOpened)
}
