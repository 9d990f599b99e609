// Package ownership has what the owner of a connection shows of itself.
package ownership

import (
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
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

// Show adds the ownership to a connection's Info.
func (o *Ownership) Show(info *event.Connection) {
	info.Instance, info.Unacknowledged = o.Instance(), uint64(max(0, o.Unacknowledged()))
}
