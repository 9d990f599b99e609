package handler

import "github.com/sockgate/sockgate/gateway/server"

// Sink reads and ignores everything. The zero value is ready to use; all connections share one Sink.
type Sink struct {
	server.BaseHandler
	// Greeting is sent when a connection opens; empty: nothing.
	Greeting []byte
}

// Name returns "sink".
func (Sink) Name() string { return "sink" }

// Open sends the greeting.
func (s Sink) Open(c *server.Conn) { greet(c, s.Greeting) }
