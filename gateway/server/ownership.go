package server

import (
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/server/internal/counter"
)

// Ownership is what the owner of a connection shows of itself in Conn.Info, and so in lists and events. The zero value
// shows nothing. Its methods may be called from any goroutine.
type Ownership struct {
	instance       atomic.Pointer[string]
	unacknowledged atomic.Int64
}

// SetInstance sets the name of the instance that owns the connection; nil for none. The text must not change.
func (o *Ownership) SetInstance(name *string) { o.instance.Store(name) }

// Instance returns the name of the instance, or "" for none.
func (o *Ownership) Instance() string {
	if name := o.instance.Load(); name != nil {
		return *name
	}
	return ""
}

// AddUnacknowledged adds n, which may be negative, to the bytes that no instance has acknowledged.
func (o *Ownership) AddUnacknowledged(n int64) { o.unacknowledged.Add(n) }

// Unacknowledged returns how many bytes no instance has acknowledged.
func (o *Ownership) Unacknowledged() int64 { return o.unacknowledged.Load() }

// show adds the ownership to a connection's Info.
func (o *Ownership) show(info *Connection) {
	info.Instance, info.Unacknowledged = o.Instance(), uint64(max(0, o.Unacknowledged()))
}

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
