package lane

import "sync"

// watches are the connections of one handler that wait for something with a time limit. A connection is in one list at
// most, and in none while it waits for nothing. Each list is in the order of the times at which the waits began.
type watches struct {
	mu        sync.Mutex
	held      list // for a lane
	admitting list // for the first command
	full      list // for an acknowledgement, with a full window
}

// list is a linked list of entries. watches.mu guards it and its entries.
type list struct {
	first, last *entry
	length      int
}

// entry is a connection's place in a list.
type entry struct {
	owner      *owner
	list       *list // nil while it is in none
	prev, next *entry
	since      int64 // coarse time when the wait began
}

// put makes the connection wait in a list, and in no other. The caller holds the owner's mu.
func (w *watches) put(l *list, o *owner, now int64) {
	e := &o.more().deadline
	w.mu.Lock()
	defer w.mu.Unlock()
	e.remove()
	e.owner, e.list, e.since, e.prev = o, l, now, l.last
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.length++
}

func (e *entry) remove() {
	l := e.list
	if l == nil {
		return
	}
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	l.length--
	*e = entry{}
}

// leave ends the connection's wait, and reports whether it was for a lane. The caller holds the owner's mu.
func (w *watches) leave(o *owner) (wasHeld bool) {
	if o.rare == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	wasHeld = o.rare.deadline.list == &w.held
	o.rare.deadline.remove()
	o.trim()
	return wasHeld
}

// tidy frees the owner's rare when nothing in it is needed. The caller holds the owner's mu.
func (w *watches) tidy(o *owner) {
	if o.rare == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	o.trim()
}

// take removes the connections from the front of a list whose wait began at a time or before it, at most most of them.
func (w *watches) take(l *list, before int64, most int) (taken []*owner) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := l.first; e != nil && e.since <= before && len(taken) < most; e = l.first {
		taken = append(taken, e.owner)
		e.remove()
	}
	return taken
}

// since returns when the connection began to wait; now if it waits for nothing. The caller holds the owner's mu.
func (w *watches) since(o *owner, now int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.rare == nil || o.rare.deadline.list == nil {
		return now
	}
	return o.rare.deadline.since
}

// waiting returns how many connections wait in a list.
func (w *watches) waiting(l *list) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return l.length
}

// trim does the work of tidy. The caller holds watches.mu too.
func (o *owner) trim() {
	if r := o.rare; r.deadline.list == nil && r.state == nil && r.losses == 0 && r.closed == nil {
		o.rare = nil
	}
}
