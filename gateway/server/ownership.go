package server

import (
	"github.com/sockgate/sockgate/gateway/server/internal/counter"
	"github.com/sockgate/sockgate/gateway/server/internal/ownership"
)

// Ownership is what the owner of a connection shows of itself in Conn.Info, and so in lists and events: SetInstance
// sets the name of its instance, and AddUnacknowledged changes how many bytes it has not acknowledged. The zero value
// shows nothing. Its methods may be called from any goroutine.
type Ownership = ownership.Ownership

// Follow makes Info show an ownership, in place of an earlier one; nil shows none.
func (c *Conn) Follow(o *Ownership) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rarely().ownership = o
}

// ByteCounter counts bytes that are held now, with Add and Bytes.
type ByteCounter = counter.Bytes

// Unacknowledged counts the bytes that remote handlers have not acknowledged, which their handler adds and takes away,
// and those of half frames, which the server does. Totals.UnacknowledgedBytes reports it.
func (s *Server) Unacknowledged() *ByteCounter { return &s.held }

// AddHeld adds n, which may be negative, to the connections that wait for an instance of their remote handler.
// Totals.Held reports them.
func (s *Server) AddHeld(n int) { s.counters.Held.Add(int64(n)) }
