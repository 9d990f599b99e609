package exchange

import (
	"bytes"
	"container/list"
	"slices"
	"sync"
	"time"
)

// Bounds of incomplete messages. A message beyond them pushes out the oldest one of its node, or of all nodes: the
// newest one is the most likely to be still waited for, and a node that begins messages and never ends them harms only
// its own. A message that was given up is never assembled. Its receiver waits in vain, as for any message that is lost
// on the way.
const (
	maxMaking      = 64        // of one node
	maxMakingBytes = 32 << 20  // of one node
	maxAll         = 1 << 16   // of all nodes
	maxAllBytes    = 256 << 20 // of all nodes
	makingTime     = 10 * time.Second
)

// assembly puts messages together from their parts. The zero value is ready for use. Its methods may be called from any
// goroutine.
type assembly struct {
	ignored *ignored // counts the messages that were given up

	mu    sync.Mutex
	nodes map[string]*makings // by sending node; only nodes that have any
	order list.List           // of all *making, the oldest first
	bytes int                 // of all messages
}

// makings are the incomplete messages of one node, the oldest first.
type makings struct {
	all   []*making
	bytes int
}

// making is an incomplete message. Every part before the next has come.
type making struct {
	from   string
	place  *list.Element // the message's element in order
	id     messageID
	kind   kind
	parts  uint32
	chunks [][]byte
	size   int
	began  time.Time
}

// add takes a part (see unseal for its numbers) and keeps it. With the last part it returns the message. Part 0 begins
// its message anew. A part that is there already is ignored. A part that does not follow the one before it ends the
// message: parts come in order, so the missing ones were lost.
func (a *assembly) add(from string, id messageID, k kind, part, parts uint32, chunk []byte) (message []byte,
	complete bool) {
	if len(chunk) > partSize || parts > 1 && len(chunk) == 0 {
		a.ignored.note(ignoredGarbage, from)
		return nil, false
	}
	if parts <= 1 {
		return chunk, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.making(from, id, k, part, parts)
	if m == nil {
		return nil, false
	}
	m.chunks = append(m.chunks, chunk)
	a.account(m, len(chunk))
	if uint32(len(m.chunks)) == parts {
		a.remove(m)
		return bytes.Join(m.chunks, nil), true
	}
	a.makeRoom(from)
	return nil, false
}

// making returns the message that a part continues or begins, or nil if there is none. The caller holds mu.
func (a *assembly) making(from string, id messageID, k kind, part, parts uint32) *making {
	m := a.find(from, id, k)
	switch {
	case part == 0:
		if m != nil {
			a.giveUp(m)
		}
		m = &making{from: from, id: id, kind: k, parts: parts, began: time.Now()}
		a.begin(m)
		return m
	case m == nil || part < uint32(len(m.chunks)):
		a.ignored.note(ignoredPart, from)
		return nil
	case parts != m.parts || part > uint32(len(m.chunks)):
		a.giveUp(m)
		return nil
	}
	return m
}

func (a *assembly) find(from string, id messageID, k kind) *making {
	if n := a.nodes[from]; n != nil {
		for _, m := range n.all {
			if m.id == id && m.kind == k {
				return m
			}
		}
	}
	return nil
}

func (a *assembly) begin(m *making) {
	if a.nodes == nil {
		a.nodes = make(map[string]*makings)
	}
	n := a.nodes[m.from]
	if n == nil {
		n = &makings{}
		a.nodes[m.from] = n
	}
	n.all = append(n.all, m)
	m.place = a.order.PushBack(m)
}

func (a *assembly) account(m *making, size int) {
	m.size += size
	a.nodes[m.from].bytes += size
	a.bytes += size
}

func (a *assembly) remove(m *making) {
	n := a.nodes[m.from]
	n.all = slices.DeleteFunc(n.all, func(other *making) bool { return other == m })
	n.bytes -= m.size
	a.bytes -= m.size
	a.order.Remove(m.place)
	if len(n.all) == 0 {
		delete(a.nodes, m.from)
	}
}

// giveUp takes out a message that will not be completed, and counts it.
func (a *assembly) giveUp(m *making) {
	a.ignored.note(ignoredGivenUp, m.from)
	a.remove(m)
}

// oldest returns the message that has been incomplete for longest, or nil.
func (a *assembly) oldest() *making {
	if front := a.order.Front(); front != nil {
		return front.Value.(*making)
	}
	return nil
}

// makeRoom gives up the oldest messages until the rest is within the bounds. The caller holds mu.
func (a *assembly) makeRoom(from string) {
	for n := a.nodes[from]; len(n.all) > maxMaking || n.bytes > maxMakingBytes; {
		a.giveUp(n.all[0])
	}
	for a.order.Len() > maxAll || a.bytes > maxAllBytes {
		a.giveUp(a.oldest())
	}
}

// expire gives up the messages that have been incomplete for too long.
func (a *assembly) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for m := a.oldest(); m != nil && time.Since(m.began) >= makingTime; m = a.oldest() {
		a.giveUp(m)
	}
}
