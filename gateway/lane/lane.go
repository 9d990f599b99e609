package lane

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// Hello introduces an instance.
type Hello struct {
	Handler        string // the NAME of `remote:NAME`
	Instance       string // 1 to 64 of [A-Za-z0-9._-]
	MaxConnections uint32 // of this lane; 0: no limit
	// unacknowledged bytes of a connection, MinWindow to MaxWindow; 0, or more than the limit: the limit
	Window uint32
	Actor  event.Actor // for events
	// Cut is called when the lane has ended because the program takes nothing, so that what waits for it can be ended. It
	// must not block. nil: nothing is called.
	Cut func()
}

// Lane is one stream of an instance. One goroutine calls Next, and another one Do, Heard and Drain; Detach may be
// called from any.
type Lane struct {
	handler  *Handler
	instance string
	actor    event.Actor
	number   uint64
	life     uint64 // the number of the first lane of the instance that was attached without a gap
	window   int
	most     int64
	opened   time.Time
	cut      func() // nil: none
	scanned  int64  // coarse time of the last look at all connections; the table's goroutine alone uses it

	count  atomic.Int64  // connections
	heard  atomic.Int64  // coarse time when something came from the program
	beaten atomic.Int64  // coarse time of the last call of Next that returned
	woken  chan struct{} // capacity 1
	stats  counts

	mu      sync.Mutex
	owners  map[uint64]*owner // by their number on this lane
	ready   []*owner          // connections with news, from next on
	next    int
	moved   []uint64 // numbers of connections that went to other lanes
	notices []notice // about the lane, at most one of a kind
	waiting bool     // Next waits
	drain   int64    // coarse time at which the drain is over; 0 without a drain
	cause   *Cause   // why it has ended
}

type notice struct {
	kind   Kind
	within time.Duration
}

type counts struct{ deliveries, commands, delivered, commanded atomic.Uint64 }

// Cause says why a lane ended.
type Cause struct {
	Text    string // for events and logs
	Gateway bool   // the gateway ended it by itself, so that no connection is suspected to have killed the instance
	Drained bool   // the drain is over
	Frozen  bool   // the instance was silent
	Err     error  // what the instance did wrong; nil: nothing
}

// Error returns Text.
func (c *Cause) Error() string { return c.Text }

// HelloError says that a Hello is out of its bounds. Text is a sentence that quotes it.
type HelloError struct{ Text string }

// Error returns Text.
func (e *HelloError) Error() string { return e.Text }

// TooManyLanesError says that a handler has MaxLanes lanes.
type TooManyLanesError struct{ Handler string }

// Error says what to do.
func (e *TooManyLanesError) Error() string {
	return fmt.Sprintf("the handler %q has %d lanes: end some first, or use fewer for each instance", e.Handler, MaxLanes)
}

var validInstance = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Attach opens a lane, and gives it connections that are held. The caller must call Detach. The error is a *HelloError,
// an *UnknownHandlerError or a *TooManyLanesError.
func (t *Table) Attach(hello Hello) (*Lane, error) {
	switch {
	case !validInstance.MatchString(hello.Instance):
		return nil, &HelloError{fmt.Sprintf("instance %.100q: expected 1 to %d of A-Z, a-z, 0-9, '.', '_' and '-'",
			hello.Instance, MaxInstance)}
	case hello.Window != 0 && (hello.Window < MinWindow || hello.Window > MaxWindow):
		return nil, &HelloError{fmt.Sprintf("window %d: expected %d to %d bytes, or 0 for the gateway's", hello.Window,
			MinWindow, MaxWindow)}
	}
	h, err := t.lookUp(hello.Handler)
	if err != nil {
		return nil, err
	}
	l := &Lane{handler: h, instance: hello.Instance, actor: hello.Actor, cut: hello.Cut, number: t.lanes.Add(1),
		window: h.window(), most: int64(hello.MaxConnections), opened: time.Now(), woken: make(chan struct{}, 1),
		owners: make(map[uint64]*owner)}
	if hello.Window > 0 {
		l.window = min(l.window, int(hello.Window))
	}
	l.Heard()
	l.beaten.Store(t.now.Load())
	if err := h.attach(l); err != nil {
		return nil, err
	}
	return l, nil
}

func (h *Handler) attach(l *Lane) error {
	h.mu.Lock()
	if len(h.lanes) >= MaxLanes {
		h.mu.Unlock()
		return &TooManyLanesError{h.name}
	}
	l.life = l.number
	for _, other := range h.lanes {
		if other.instance == l.instance {
			l.life = other.life
		}
	}
	h.lanes = append(h.lanes, l)
	lanes := len(h.lanes)
	if lanes == 1 && h.watch != nil {
		h.watch(h.name, true)
	}
	h.mu.Unlock()
	if h.table.draining.Load() { // after the lane is in the list, so that no lane misses it
		l.Tell(Shutdown, h.table.untilClosed())
	}
	taken := h.fill()
	h.publish(event.HandlerAttached, l, event.HandlerDetail{Connections: taken, Lanes: uint32(lanes)})
	return nil
}

// publish appends an event about a lane.
func (h *Handler) publish(t event.Type, l *Lane, d event.HandlerDetail) {
	d.Handler, d.Instance, d.Lane, d.Actor = h.name, l.instance, l.number, l.actor
	h.table.server.Log().Append(&event.Event{Type: t, Detail: &d})
}

// Number returns the lane's number, unique in the life of the node.
func (l *Lane) Number() uint64 { return l.number }

// Connections returns how many connections the lane has.
func (l *Lane) Connections() int { return int(l.count.Load()) }

// Window returns how many unacknowledged bytes a connection of the lane may have before reading from it pauses.
func (l *Lane) Window() int { return l.window }

// Heard says that the program is alive.
func (l *Lane) Heard() { l.heard.Store(l.handler.table.now.Load()) }

// Cause returns why the lane has ended, or nil.
func (l *Lane) Cause() *Cause {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// takes reports whether the lane takes another connection.
func (l *Lane) takes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause == nil && l.drain == 0 && (l.most == 0 || l.count.Load() < l.most)
}

// add makes a connection the lane's. The caller holds the owner's mu.
func (l *Lane) add(o *owner) {
	l.count.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owners[o.number()] = o
}

// remove takes a connection from the lane. With moved, the program is told that it went to another lane. The caller
// holds the owner's mu.
func (l *Lane) remove(o *owner, moved bool) {
	l.count.Add(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	n := o.number()
	delete(l.owners, n)
	if moved && l.cause == nil && !o.has(flagOpening) {
		l.moved = append(l.moved, n)
		l.wake()
	}
	if t := l.handler.table; t.held.Load() > 0 { // there is a place for one
		signal(t.turns)
	}
}

// push makes Next look at a connection. The caller holds the owner's mu.
func (l *Lane) push(o *owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil { // its connections go to others
		return
	}
	l.ready = append(l.ready, o)
	l.wake()
}

// Tell delivers Reattach, Shutdown or Nodes, in place of an earlier notice of the kind that is not delivered yet.
func (l *Lane) Tell(kind Kind, within time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notices = slices.DeleteFunc(l.notices, func(n notice) bool { return n.kind == kind })
	l.notices = append(l.notices, notice{kind, within})
	l.wake()
}

// wake wakes Next. The caller holds mu.
func (l *Lane) wake() {
	if l.waiting {
		l.waiting = false
		l.woken <- struct{}{}
	}
}

// owner returns the connection of a number, or nil. A lane that has ended has none.
func (l *Lane) owner(number uint64) *owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return nil
	}
	return l.owners[number]
}

// all returns the lane's connections.
func (l *Lane) all() []*owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*owner, 0, len(l.owners))
	for _, o := range l.owners {
		all = append(all, o)
	}
	return all
}

// some returns at most most of the lane's connections, in no order.
func (l *Lane) some(most int) []*owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	some := make([]*owner, 0, min(most, len(l.owners)))
	for _, o := range l.owners {
		if len(some) == most {
			break
		}
		some = append(some, o)
	}
	return some
}
