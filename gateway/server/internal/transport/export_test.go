package transport

// Handshakes returns how many handshakes have a goroutine, and how many wait for their turn.
func (l *TLS) Handshakes() (running, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, l.places.Waiting()
}

// Collected returns how many bytes of an unfinished handshake the endpoint keeps.
func Collected(e Endpoint) int {
	t := e.(*tlsSocket)
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.shake.in)
}

// Holds reports whether a TLS connection holds more than an idle one: state of its handshake, or a buffer.
func Holds(s Socket) bool {
	t := s.(*tlsSocket)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shake != nil || t.record != nil || t.pending != nil || t.wire != nil
}

// Hellos returns the counted bytes of large ClientHellos whose handshake has not begun.
func (l *TLS) Hellos() int64 { return l.hellos.Load() }
