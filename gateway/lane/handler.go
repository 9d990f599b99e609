package lane

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Handler is a server.Handler whose connections belong to the lanes that are attached under its name. Several listeners
// may have it.
type Handler struct {
	table   *Table
	name    string
	watch   func(name string, attached bool) // nil: nobody watches
	watches watches

	mu    sync.Mutex
	lanes []*Lane // in the order of their numbers

	quarantine quarantine
	failed     atomic.Uint64 // connections that were closed because of their handler
	ignored    atomic.Uint64 // commands for connections of other lanes
}

// Name returns `remote:` and the name.
func (h *Handler) Name() string { return "remote:" + h.name }

// Open implements server.Handler.
func (h *Handler) Open(c *server.Conn) {
	o := &owner{conn: c, handler: h}
	c.SetValue(o)
	c.Follow(&o.ownership)
	h.mu.Lock()
	defer h.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if h.table.scarce.Load() {
		o.starve()
	}
	h.place(o, "")
}

// Data implements server.Handler.
func (h *Handler) Data(c *server.Conn, p []byte) { ownerOf(c).received(p, c.Position()) }

// End implements server.Handler.
func (h *Handler) End(c *server.Conn) {
	o := ownerOf(c)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flags |= flagEnded | flagEnding
	o.news()
}

// Close implements server.Handler. The lane gets what it has not got yet, and then closed.
func (h *Handler) Close(c *server.Conn, _ server.CloseReason) {
	o := ownerOf(c)
	info := c.Info()
	o.mu.Lock()
	o.flags |= flagClosed
	if o.lane == nil {
		if h.watches.leave(o) {
			h.table.waits(-1)
		}
		o.drop()
	} else {
		o.more().closed = &info
		o.news()
	}
	o.mu.Unlock()
}

// Drained implements server.Drainer.
func (h *Handler) Drained(c *server.Conn) { h.tell(c, flagWritten) }

// Idle implements server.Idler.
func (h *Handler) Idle(c *server.Conn) { h.tell(c, flagIdle) }

func (h *Handler) tell(c *server.Conn, f ownerFlags) {
	o := ownerOf(c)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flags |= f
	o.news()
}

func ownerOf(c *server.Conn) *owner { return c.Value().(*owner) }

// window returns how much the backlog of a connection without a lane may cost.
func (h *Handler) window() int { return int(h.table.window.Load()) }

// attached returns the lanes.
func (h *Handler) attached() []*Lane {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Lane(nil), h.lanes...)
}

// owners returns every connection of the handler: those of lanes, and those that are held.
func (h *Handler) owners() (owners []*owner) {
	for _, l := range h.attached() {
		owners = append(owners, l.all()...)
	}
	h.watches.mu.Lock()
	defer h.watches.mu.Unlock()
	for e := h.watches.held.first; e != nil; e = e.next {
		owners = append(owners, e.owner)
	}
	return owners
}

// place gives a connection without a lane to the one that suits it best, and otherwise holds it. It prefers lanes of
// the instance sibling. The caller holds h.mu and the owner's mu.
func (h *Handler) place(o *owner, sibling string) (moved bool) {
	l := h.pick(sibling, nil)
	if l == nil {
		h.hold(o)
		return false
	}
	h.give(o, l)
	return true
}

// pick returns the lane with the fewest connections that takes more: of the instance sibling if there is one. It leaves
// out one lane. nil means that none takes more. The caller holds h.mu.
func (h *Handler) pick(sibling string, but *Lane) (best *Lane) {
	for _, l := range h.lanes {
		if l == but || !l.takes() {
			continue
		}
		if best == nil || l.better(best, sibling) {
			best = l
		}
	}
	return best
}

func (l *Lane) better(than *Lane, sibling string) bool {
	if ours, theirs := l.instance == sibling, than.instance == sibling; ours != theirs {
		return ours
	}
	return l.count.Load() < than.count.Load()
}

// give makes a connection a lane's. The caller holds h.mu and the owner's mu.
func (h *Handler) give(o *owner, l *Lane) {
	o.lane = l
	o.flags |= flagOpening
	if o.has(flagEnded) {
		o.flags |= flagEnding
	}
	o.heed()
	if o.backlog != nil {
		o.backlog.rewind()
		o.backlog.since = h.table.now.Load()
		if cost := o.backlog.cost(); o.has(flagFull) && cost <= l.window/2 {
			o.flags &^= flagFull
			o.readOn()
		}
	}
	o.ownership.SetInstance(&l.instance)
	l.add(o)
	now := h.table.now.Load()
	switch {
	case !o.has(flagAdmitted):
		h.watches.put(&h.watches.admitting, o, now)
	case o.has(flagFull):
		h.watches.put(&h.watches.full, o, now)
	default:
		h.watches.leave(o)
	}
	o.news()
}

// hold makes a connection wait for a lane, or closes it when too many wait or none may. The caller holds h.mu and the
// owner's mu.
func (h *Handler) hold(o *owner) {
	limits := h.table.server.Limits()
	o.ownership.SetInstance(nil)
	if o.has(flagClosed) { // nobody is left to tell
		o.more().closed = nil
		o.drop()
		h.watches.leave(o)
		return
	}
	o.heed()
	switch held := h.table.waits(1); {
	case limits.HoldTimeout <= 0:
		h.refuse(o, fmt.Sprintf("no instance of %s is attached", h.Name()))
	case limits.MaxHeld > 0 && held > int64(limits.MaxHeld):
		h.refuse(o, fmt.Sprintf("no instance of %s is attached, and %d connections wait already", h.Name(), limits.MaxHeld))
	default:
		h.watches.put(&h.watches.held, o, h.table.now.Load())
	}
}

// refuse closes a connection that may not wait. The caller holds the owner's mu.
func (h *Handler) refuse(o *owner, text string) {
	h.table.waits(-1)
	o.fail(event.ReasonHandlerUnavailable, text)
}

// fillStep is how many connections get a lane before others may use the handler's lock.
const fillStep = 256

// fill gives held connections to lanes that have room, in the order in which they came, and returns how many it gave.
func (h *Handler) fill() (given uint64) {
	for more := true; more; {
		more = h.fillSome(&given)
	}
	return given
}

func (h *Handler) fillSome(given *uint64) (more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for range fillStep {
		l := h.pick("", nil)
		if l == nil {
			return false
		}
		first := h.watches.take(&h.watches.held, h.table.now.Load(), 1)
		if len(first) == 0 {
			return false
		}
		h.table.waits(-1)
		o := first[0]
		o.mu.Lock()
		if !o.has(flagClosed | flagFailed) {
			h.give(o, l)
			*given++
		}
		o.mu.Unlock()
	}
	return true
}
