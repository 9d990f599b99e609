package lane

import "github.com/sockgate/sockgate/gateway/event"

// moveTo gives a connection of a lane to an instance. It stays where it is when the instance has no lane with room.
func (h *Handler) moveTo(o *owner, from *Lane, instance string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to := h.pick(instance, from)
	if to == nil || to.instance != instance {
		return
	}
	h.move(o, from, to)
}

// moveAway gives a connection of a draining lane to another lane, if there is one.
func (h *Handler) moveAway(o *owner, from *Lane) (moved bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to := h.pick("", from)
	return to != nil && h.move(o, from, to)
}

// move gives a connection to another lane of the same handler. The caller holds h.mu.
func (h *Handler) move(o *owner, from, to *Lane) (moved bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lane != from || o.has(flagClosed|flagFailed) {
		return false
	}
	o.leave(true)
	h.give(o, to)
	return true
}

// leave takes the connection from its lane. The caller holds mu.
func (o *owner) leave(moved bool) {
	o.lane.remove(o, moved)
	o.handler.quarantine.leave(o)
	o.lane = nil
	o.visits++
	o.flags = o.flags&^(flagQueued|flagSuspect) | flagResumed
}

// Detach ends the lane, once: no command of it is carried out any more, and its connections go to other lanes of the
// handler, to those of the same instance first. Next returns the cause. It takes about a microsecond for each
// connection.
func (l *Lane) Detach(cause Cause) {
	h := l.handler
	h.mu.Lock()
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		h.mu.Unlock()
		return
	}
	l.cause = &cause
	l.ready, l.notices, l.next = nil, nil, 0
	if !cause.Drained { // else the program is told of those that have moved
		l.moved = nil
	}
	l.wake()
	l.mu.Unlock()
	for i, other := range h.lanes {
		if other == l {
			h.lanes = append(h.lanes[:i:i], h.lanes[i+1:]...)
			break
		}
	}
	lanes := len(h.lanes)
	if lanes == 0 && h.watch != nil {
		h.watch(h.name, false)
	}
	h.mu.Unlock()
	d := event.HandlerDetail{Message: cause.Text, Lanes: uint32(lanes)}
	for owners := l.all(); len(owners) > 0; {
		n := min(len(owners), fillStep)
		h.rehouse(l, owners[:n], &cause, &d)
		owners = owners[n:]
	}
	h.publish(event.HandlerDetached, l, d)
}

// rehouse gives connections of a lane that has ended to other lanes.
func (h *Handler) rehouse(l *Lane, owners []*owner, cause *Cause, d *event.HandlerDetail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range owners {
		o.mu.Lock()
		if o.lane == l {
			d.Connections++
			if h.lose(o, cause) {
				d.Moved++
			} else {
				d.Held++
			}
		}
		o.mu.Unlock()
	}
}

// lose takes a connection from a lane that has ended, and gives it to another one. The caller holds h.mu and the
// owner's mu.
func (h *Handler) lose(o *owner, cause *Cause) (moved bool) {
	instance := o.lane.instance
	if !cause.Gateway && !cause.Drained {
		o.suspect()
	}
	o.leave(false)
	switch {
	case o.has(flagFailed):
		o.ownership.SetInstance(nil)
		o.drop()
		return false
	case cause.Drained:
		instance = ""
	}
	return h.place(o, instance)
}
