package handler

import "github.com/sockgate/sockgate/gateway/server"

// Sink ignores all bytes that it receives. The zero value is ready to use. It finishes a connection when the peer does.
type Sink struct {
	server.BaseHandler
	// Greeting is sent when a connection opens, at most MaxPrefix bytes. Default: none.
	Greeting []byte
}

// Name returns "sink".
func (Sink) Name() string { return "sink" }

// Open sends the greeting.
func (s Sink) Open(c *server.Conn) { greet(c, s.Greeting) }
