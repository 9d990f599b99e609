package lane

import (
	"sync"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// owner is what the package knows of one connection. There may be a million of them, most of them idle: what only some
// need is behind a pointer.
type owner struct {
	conn      *server.Conn
	handler   *Handler
	ownership server.Ownership // shown in lists and events

	mu           sync.Mutex
	lane         *Lane    // nil while it is held, and after the end
	backlog      *backlog // nil while everything is acknowledged
	rare         *rare    // nil for most
	acknowledged uint64   // position that the next owner begins at
	sent         uint64   // bytes of commands
	flags        ownerFlags
	visits       uint16 // lanes that have had it before
}

// rare has what few connections need. The owner's lock guards it.
type rare struct {
	state    []byte // replaced, never modified
	losses   int    // instances lost at position lostAt
	lostAt   uint64
	lostBy   uint64            // the life of the last of them, whose lanes are lost one after another
	closed   *event.Connection // the end that its lane has not been told yet
	deadline entry             // its place in a watch, which watch.mu guards
}

type ownerFlags uint16

const (
	flagOpening  ownerFlags = 1 << iota // opened is to be delivered
	flagEnded                           // the peer has finished writing
	flagEnding                          // ended is to be delivered
	flagIdle                            // idle is to be delivered
	flagWritten                         // written is to be delivered
	flagQueued                          // it is among its lane's ready ones
	flagAdmitted                        // a command has come
	flagFull                            // reading is paused because the window is full
	flagScarce                          // reading is paused because the handler budget is scarce
	flagClosed                          // the connection has ended
	flagResumed                         // a lane had it before
	flagSuspect                         // it waits for its turn in the quarantine
	flagStalled                         // HandlerStalled was published for this full window
	flagFailed                          // it ends for a fault of its handler: no lane gets it any more
)

func (o *owner) has(f ownerFlags) bool { return o.flags&f != 0 }

// more returns the owner's rare, and makes it at the first call. The caller holds mu.
func (o *owner) more() *rare {
	if o.rare == nil {
		o.rare = &rare{}
	}
	return o.rare
}

// number returns the connection's number on its present lane; see Command.Connection. A seq has fewer than 48 bits.
// The caller holds mu.
func (o *owner) number() uint64 { return o.conn.Seq() | uint64(o.visits)<<48 }

// position returns the position that everything received ends at. The caller holds mu.
func (o *owner) position() uint64 {
	if o.backlog != nil {
		return o.backlog.end
	}
	return o.acknowledged
}

// delivered returns the position up to which the lane has everything. The caller holds mu.
func (o *owner) delivered() uint64 {
	if o.backlog != nil {
		return o.backlog.delivered()
	}
	return o.acknowledged
}

// owesSince returns since when the lane has owed the connection an answer: the first command, or an acknowledgement of
// what was delivered. It returns now if the lane owes none. The caller holds mu.
func (o *owner) owesSince(now int64) int64 {
	switch {
	case o.has(flagClosed | flagFailed | flagOpening):
	case !o.has(flagAdmitted):
		return o.handler.watches.since(o, now)
	case o.delivered() > o.acknowledged:
		return o.backlog.since
	}
	return now
}

// received takes bytes from the peer. Position is behind them.
func (o *owner) received(p []byte, position uint64) {
	if o.keep(p, position) {
		o.handler.table.throttle()
	}
}

// keep does the work of received. It returns true when the budget has become scarce.
func (o *owner) keep(p []byte, position uint64) (scarce bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.handler.table
	if o.backlog == nil {
		o.backlog = newBacklog(o.conn.Framed(), o.acknowledged, t.now.Load())
	}
	b := o.backlog
	cost, unacknowledged := b.cost(), b.unacknowledged()
	b.add(p, position)
	o.conn.Owe()
	o.ownership.AddUnacknowledged(int64(b.unacknowledged() - unacknowledged))
	scarce = t.hold(o, b.cost()-cost)
	if b.cost() >= o.window() && !o.has(flagFull) {
		o.flags |= flagFull
		o.conn.Pause()
		o.watchStall()
	}
	o.news()
	return scarce
}

// window returns how much the backlog may cost before reading pauses. The caller holds mu.
func (o *owner) window() int {
	if o.lane != nil {
		return o.lane.window
	}
	return o.handler.window()
}

// news makes the lane's writer look at the connection. The caller holds mu.
func (o *owner) news() {
	if o.lane != nil && !o.has(flagQueued) {
		o.flags |= flagQueued
		o.lane.push(o)
	}
}

// settle takes what is acknowledged up to a position from the backlog, and goes on reading when there is room again.
// The caller holds mu.
func (o *owner) settle(position uint64) {
	b := o.backlog
	if b == nil || position == o.acknowledged {
		return
	}
	t := o.handler.table
	cost, unacknowledged := b.cost(), b.unacknowledged()
	b.acknowledge(position)
	b.since = t.now.Load()
	o.acknowledged = position
	o.flags &^= flagStalled
	o.ownership.AddUnacknowledged(int64(b.unacknowledged()) - int64(unacknowledged))
	t.release(cost - b.cost())
	if o.has(flagFull) && b.cost() <= o.window()/2 {
		o.flags &^= flagFull
		if o.has(flagAdmitted) {
			o.handler.watches.leave(o)
		}
		o.readOn()
	}
	o.forgetLosses()
	if b.empty() {
		b.free()
		o.backlog = nil
	}
}

// readOn resumes reading unless something else still pauses it. The caller holds mu.
func (o *owner) readOn() {
	if !o.has(flagFull | flagScarce) {
		o.conn.Resume()
	}
}

// heed pauses or resumes the connection as the budget says. A connection that goes from lane to lane may have been
// missed by a walk over all. The caller holds mu.
func (o *owner) heed() {
	switch scarce := o.handler.table.scarce.Load(); {
	case scarce:
		o.starve()
	case o.has(flagScarce):
		o.flags &^= flagScarce
		o.readOn()
	}
}

// drop gives up what is not acknowledged. Lists and events go on to show how much that is. The caller holds mu.
func (o *owner) drop() {
	b := o.backlog
	if b == nil {
		return
	}
	o.backlog = nil
	o.acknowledged = b.end
	o.handler.table.release(b.cost())
	b.free()
}

// fail ends the connection for a fault of its handler: no answer is due any more, and nothing more is delivered. The
// caller holds mu.
func (o *owner) fail(reason event.CloseReason, text string) {
	o.handler.failed.Add(1)
	o.flags |= flagFailed
	o.drop()
	_, _ = o.conn.Apply(server.Change{Settled: true}) // the error says that it has ended already
	o.conn.CloseWith(reason, text)
}
