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
	// flushTurn is the most writes of one socket's flush in a turn: 256 KiB. Reads are bounded by one of readSize.
	flushTurn = 4
	// deadlineStep is how exactly the deadlines of flushes are kept, when there are few.
	deadlineStep = 10 * time.Millisecond
)

// loop serves its sockets, one at a time: it alone reads them, continues their flushes and closes their descriptors.
type loop struct {
	engine  *epollEngine
	epfd    int
	wakefd  int // an eventfd(2), written to when something is posted to a loop that waits
	buffer  []byte
	events  [turnSize]unix.EpollEvent
	now     Moment       // when the turn began
	flushes []epollFlush // that are under way
	expiry  Moment       // before it, no deadline of a flush has passed
	sockets atomic.Int64
	waiting atomic.Bool // in epoll_wait, or about to be
	visits  atomic.Bool // something is posted, or the loop is to stop: set with mu held

	mu       sync.Mutex
	posted   []*epollSocket // to be looked at: closing, or a flush was asked for
	spare    []*epollSocket // what posted was, emptied
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

// wait returns how many descriptors are ready, at once when something is posted.
func (l *loop) wait() int {
	timeout := -1
	if len(l.flushes) > 0 {
		timeout = int(max(0, time.Duration(l.expiry-l.engine.clock.Now())+time.Millisecond) / time.Millisecond)
	}
	l.waiting.Store(true)
	if l.visits.Load() { // posted before waiting was set, and so perhaps without a wake
		timeout = 0
	}
	n, err := unix.EpollWait(l.epfd, l.events[:], timeout)
	l.waiting.Store(false)
	if err != nil {
		return 0 // EINTR: a signal; there is no other error with these arguments
	}
	return n
}

// post has the loop look at a socket. The caller may hold the socket's lock.
func (l *loop) post(s *epollSocket) {
	l.mu.Lock()
	l.posted = append(l.posted, s)
	l.visits.Store(true)
	l.mu.Unlock()
	l.wake()
}

// stop ends the loop; no socket is left.
func (l *loop) stop() {
	l.mu.Lock()
	l.stopping = true
	l.visits.Store(true)
	l.mu.Unlock()
	l.wake()
}

// wake ends the loop's wait. A loop that does not wait looks at what is posted before it does.
func (l *loop) wake() {
	if l.waiting.CompareAndSwap(true, false) {
		_, _ = unix.Write(l.wakefd, binary.NativeEndian.AppendUint64(nil, 1)) // fails only when it is full, and then the loop wakes anyway
	}
}

// release closes the loop's descriptors.
func (l *loop) release() {
	closeDescriptor(l.epfd)
	closeDescriptor(l.wakefd)
}

// serve does what one descriptor is ready for.
func (l *loop) serve(ev *unix.EpollEvent) {
	if ev.Pad == ofOther {
		l.serveOther(int(ev.Fd))
		return
	}
	if s := l.engine.sockets.get(int(ev.Fd)); s != nil && s.generation == ev.Pad { // else its descriptor was closed
		s.ready(ev.Events)
	}
}

// serveOther serves what is not a connection's socket.
func (l *loop) serveOther(fd int) {
	if fd == l.wakefd {
		var count [8]byte
		_, _ = unix.Read(fd, count[:]) // only so that it is not ready any more
		return
	}
	if a, ok := l.engine.acceptors.Load(fd); ok { // else it was closed in this turn
		a.(*epollAcceptor).ready()
	}
}

// servePosted looks at what was posted, and reports whether the loop is to end.
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
	if cap(posted) <= 16*turnSize { // else it was a burst
		l.spare = posted[:0]
	}
	l.mu.Unlock()
	return stopping
}

// expireBy has the loop look at the flushes' deadlines at one that is new.
func (l *loop) expireBy(deadline Moment) {
	if len(l.flushes) == 1 || deadline < l.expiry {
		l.expiry = deadline
	}
}

// expire tells the flushes whose deadline has passed.
func (l *loop) expire() {
	next := Moment(math.MaxInt64)
	for i := len(l.flushes) - 1; i >= 0; i-- { // from the end: a flush that is over is replaced by the last one
		s := l.flushes[i].socket
		if l.flushes[i].deadline <= l.now {
			s.expire()
		}
		if s.flush > 0 {
			next = min(next, s.flushing().deadline)
		}
	}
	l.expiry = max(next, l.now+Moment(deadlineStep+time.Duration(len(l.flushes))*time.Microsecond)) // many are looked at less often
}
