package server_test

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/server"
)

// hooks is a handler made of functions. A missing one does the same as BaseHandler's method.
type hooks struct {
	open  func(*server.Conn)
	data  func(*server.Conn, []byte)
	end   func(*server.Conn)
	close func(*server.Conn, server.CloseReason)
}

func (h *hooks) Open(c *server.Conn) {
	if h.open != nil {
		h.open(c)
	}
}

func (h *hooks) Data(c *server.Conn, p []byte) {
	if h.data != nil {
		h.data(c, p)
	}
}

func (h *hooks) End(c *server.Conn) {
	if h.end == nil {
		c.CloseWrite()
		return
	}
	h.end(c)
}

func (h *hooks) Close(c *server.Conn, r server.CloseReason) {
	if h.close != nil {
		h.close(c, r)
	}
}

// script records the calls of each connection, and whether any overlapped.
type script struct {
	server.BaseHandler
	mu      sync.Mutex
	calls   map[string]string // one letter for each call, by connection ID
	busy    map[string]bool
	overlap bool
	wrap    server.Handler
}

func newScript(wrap server.Handler) *script {
	return &script{calls: make(map[string]string), busy: make(map[string]bool), wrap: wrap}
}

func (s *script) call(c *server.Conn, letter string, f func()) {
	s.mu.Lock()
	id := c.ID()
	s.overlap = s.overlap || s.busy[id]
	s.busy[id] = true
	if n := len(s.calls[id]); letter != "d" || n == 0 || s.calls[id][n-1] != 'd' {
		s.calls[id] += letter
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.busy[id] = false
		s.mu.Unlock()
	}()
	f()
}

func (s *script) Open(c *server.Conn)           { s.call(c, "o", func() { s.wrap.Open(c) }) }
func (s *script) Data(c *server.Conn, p []byte) { s.call(c, "d", func() { s.wrap.Data(c, p) }) }
func (s *script) End(c *server.Conn)            { s.call(c, "e", func() { s.wrap.End(c) }) }
func (s *script) Close(c *server.Conn, r server.CloseReason) {
	s.call(c, "c", func() { s.wrap.Close(c, r) })
}
