package transport

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// turnSize is the most sockets that a loop serves in one turn.
	turnSize = 256
	// flushTurn is the most writes for one socket in a turn: 256 KiB. Reads are limited to one of readSize.
	flushTurn = 4
	// deadlineStep is the precision of flush deadlines while flushes are few.
	deadlineStep = 10 * time.Millisecond
)

// loop serves its sockets, one at a time. It alone reads from them, continues their flushes and closes their
// descriptors.
type loop struct {
	engine  *epollEngine
	epfd    int
	wakefd  int // an eventfd(2): a write wakes a loop that waits
	buffer  []byte
	events  [turnSize]unix.EpollEvent
	now     Moment       // when the turn began
	flushes []epollFlush // those under way
	expiry  Moment       // no flush has a deadline before it
	sockets atomic.Int64
	waiting atomic.Bool // in epoll_wait, or about to be
	visits  atomic.Bool // a socket is posted, or the loop is to stop; set with mu held

	mu       sync.Mutex
	posted   []*epollSocket // sockets to visit: they close, or a flush was asked for
	spare    []*epollSocket // the previous posted list, empty, for reuse
	stopping bool
}

// run serves until stop.
func (l *loop) run() {
	for {
		n := l.wait()
		l.now = l.engine.clock.Now()
		for i := range n {
			l.serve(&l.events[i])
		}
		if l.visits.Load() && l.servePosted() {
			return
		}
		if len(l.flushes) > 0 && l.now >= l.expiry {
			l.expire()
		}
	}
}

// wait returns how many descriptors are ready. It does not block when a socket is posted.
func (l *loop) wait() int {
	timeout := -1
	if len(l.flushes) > 0 {
		timeout = int(max(0, time.Duration(l.expiry-l.engine.clock.Now())+time.Millisecond) / time.Millisecond)
	}
	l.waiting.Store(true)
	if l.visits.Load() { // posted before waiting was set, perhaps without a wake
		timeout = 0
	}
	n, err := unix.EpollWait(l.epfd, l.events[:], timeout)
	l.waiting.Store(false)
	if err != nil {
		return 0 // EINTR; with these arguments there is no other error
	}
	return n
}

// post makes the loop visit a socket. The caller may hold the socket's lock.
func (l *loop) post(s *epollSocket) {
	l.mu.Lock()
	l.posted = append(l.posted, s)
	l.visits.Store(true)
	l.mu.Unlock()
	l.wake()
}

// stop ends the loop. The caller has made sure that no socket is left.
func (l *loop) stop() {
	l.mu.Lock()
	l.stopping = true
	l.visits.Store(true)
	l.mu.Unlock()
	l.wake()
}

// wake ends the loop's wait. A loop that does not wait looks at the posted sockets before it waits.
func (l *loop) wake() {
	if l.waiting.CompareAndSwap(true, false) {
		// The write fails only when the counter is full, and then the loop wakes anyway.
		_, _ = unix.Write(l.wakefd, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// release closes the loop's descriptors.
func (l *loop) release() {
	closeDescriptor(l.epfd)
	closeDescriptor(l.wakefd)
}

// serve handles one report of the kernel.
func (l *loop) serve(ev *unix.EpollEvent) {
	if ev.Pad == ofOther {
		l.serveOther(int(ev.Fd))
		return
	}
	// A mismatch means that the descriptor was closed, and perhaps used again, after the report.
	if s := l.engine.sockets.get(int(ev.Fd)); s != nil && s.generation == ev.Pad {
		s.ready(ev.Events)
	}
}

// serveOther serves the wake descriptor and the listening sockets.
func (l *loop) serveOther(fd int) {
	if fd == l.wakefd {
		var count [8]byte
		_, _ = unix.Read(fd, count[:]) // only so that it is not ready any more
		return
	}
	if a, ok := l.engine.acceptors.Load(fd); ok { // otherwise it was closed in this turn
		a.(*epollAcceptor).ready()
	}
}

// servePosted visits the posted sockets, and reports whether the loop is to end.
func (l *loop) servePosted() bool {
	l.mu.Lock()
	posted, stopping := l.posted, l.stopping
	l.posted, l.spare = l.spare, nil
	l.visits.Store(false)
	l.mu.Unlock()
	for _, s := range posted {
		s.visit()
	}
	clear(posted)
	l.mu.Lock()
	if cap(posted) <= 16*turnSize { // otherwise it was a burst, whose space is freed
		l.spare = posted[:0]
	}
	l.mu.Unlock()
	return stopping
}

// expireBy makes the loop check deadlines at a new flush's deadline, if that is the earliest.
func (l *loop) expireBy(deadline Moment) {
	if len(l.flushes) == 1 || deadline < l.expiry {
		l.expiry = deadline
	}
}

// expire handles the flushes whose deadline has passed.
func (l *loop) expire() {
	next := Moment(math.MaxInt64)
	// Backwards, because the last flush takes the place of one that ends.
	for i := len(l.flushes) - 1; i >= 0; i-- {
		s := l.flushes[i].socket
		if l.flushes[i].deadline <= l.now {
			s.expire()
		}
		if s.flush > 0 {
			next = min(next, s.flushing().deadline)
		}
	}
	// The more flushes there are, the less often they are checked.
	l.expiry = max(next, l.now+Moment(deadlineStep+time.Duration(len(l.flushes))*time.Microsecond))
}
