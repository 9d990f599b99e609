package server

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
)

// pauseAnnounce is how long reading has to be paused before it makes an event: shorter pauses are ordinary flow control.
const pauseAnnounce = 250 * time.Millisecond

// writeWait is a caller that waits until the kernel has taken the bytes up to a point of the connection's outgoing stream.
type writeWait struct {
	upTo uint64
	done chan struct{} // closed when they were taken, or when the connection closed
}

// ErrDropped says that a send did not fit into the send queue. No byte of it was sent.
var ErrDropped = errors.New("send queue is full: no byte was sent; wait for the peer to read, or raise the send queue limit")

// ErrClosed says that the connection is closing or closed.
var ErrClosed = errors.New("connection is closed")

// Send gives p to the peer: what the kernel does not take at once is copied to the send queue. The outcome is
// OutcomeWritten, OutcomeQueued, OutcomeDroppedQueueFull (with ErrDropped), OutcomeDroppedBudget (with ErrBudget) or OutcomeClosed (with
// ErrClosed). p is sent whole and in order, never interleaved with another send, or not at all. A handler that cannot do without what
// was dropped ends the connection, with ReasonSlowConsumer or ReasonQueueBudget.
func (c *Conn) Send(p []byte) (Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writable() || c.ending != nil && !c.ending.answering {
		return OutcomeClosed, ErrClosed
	}
	switch o := c.put(p, c.owner.server.limits.Load().handlerRoom(), false); o {
	case OutcomeDroppedQueueFull:
		return o, ErrDropped
	case OutcomeDroppedBudget:
		return o, ErrBudget
	case OutcomeClosed:
		return o, ErrClosed
	default:
		return o, nil
	}
}

// writable reports whether FIN has not been sent or announced, and the socket is open. The caller holds mu.
func (c *Conn) writable() bool { return !c.has(flagFinish | flagDone | flagClosed) }

// send is what verbs use: nothing is accepted for a connection that is ending. p never changes and may be referred to. The
// caller holds mu.
func (c *Conn) send(p []byte) Outcome {
	if !c.writable() || c.ending != nil {
		return OutcomeClosed
	}
	return c.put(p, c.owner.server.limits.Load().verbRoom(), true)
}

// put accepts p whole or not at all. With shared, p never changes and may be referred to. The caller holds mu and has checked
// that the connection is writable.
func (c *Conn) put(p []byte, room room, shared bool) Outcome {
	o := OutcomeDroppedQueueFull
	if c.queued()+len(p) <= room.queue {
		o = c.enqueue(p, room, shared)
	}
	if o == OutcomeDroppedQueueFull || o == OutcomeDroppedBudget {
		c.owner.server.counters.dropped.Add(1)
	}
	return o
}

// enqueue writes what the kernel takes and queues the rest, if that fits in the queue budget: a peer that keeps up is served however
// full the queues of others are. When the rest of what was begun does not fit, not even in the reserve, the connection ends: a part of
// p must not be the last that its peer gets. The caller holds mu.
func (c *Conn) enqueue(p []byte, room room, shared bool) Outcome {
	if c.queued() == 0 && c.has(flagOpened) && !c.has(flagFlushing) {
		n, err := c.socket.TryWrite(p)
		c.took(n)
		if err != nil {
			c.fail(event.OpWrite, err)
			return OutcomeClosed
		}
		if n == len(p) {
			return OutcomeWritten
		}
		begun := n > 0 || c.owner.config.TLS != nil // TLS may have encrypted the beginning, which then has to be sent
		if begun {
			room.all = c.owner.server.limits.Load().handlerRoom().all
		}
		if p = p[n:]; !c.owner.server.queued.take(len(p), room.all) {
			return c.refuseRest(begun)
		}
	} else if !c.owner.server.queued.take(len(p), room.all) {
		return OutcomeDroppedBudget
	}
	if c.sending == nil {
		c.sending = sendings.Get().(*sending)
	}
	b := c.sending
	if b.queue.Size == 0 {
		b.progress, b.held = c.owner.server.now(), -1
	}
	b.queue.Push(p, shared)
	c.pauseIfHigh()
	if c.has(flagOpened) && !c.has(flagFlushing) && c.socket.Flush() {
		c.flags |= flagFlushing
	}
	return OutcomeQueued
}

// refuseRest is the outcome of a send that the kernel did not take whole, when the queue budget has no room for the rest. The caller
// holds mu.
func (c *Conn) refuseRest(begun bool) Outcome {
	if !begun {
		return OutcomeDroppedBudget
	}
	c.endNow(ending{reason: ReasonQueueBudget, text: "all send queues together have no room for the rest of a send"}, true)
	return OutcomeClosed
}

// took counts bytes that the kernel took. The caller holds mu.
func (c *Conn) took(n int) {
	if n == 0 {
		return
	}
	c.sent.Add(uint64(n))
	if !c.inCall.Load() { // else the moment of the read that is being answered stands
		c.active.Store(int64(c.owner.server.now()))
	}
	if b := c.sending; b != nil {
		b.progress, b.held = c.owner.server.now(), -1
	}
	c.owner.server.counters.sent.add(c.identity.Seq, n)
}

// pauseIfHigh stops reading from a peer whose queue is over the high water, or has anything while the queue budget is scarce. The
// caller holds mu.
func (c *Conn) pauseIfHigh() {
	b, l := c.sending, c.owner.server.limits.Load()
	if b.paused != 0 || c.ending != nil || b.queue.Size <= l.HighWater && !c.owner.server.queued.scarce(l) {
		return
	}
	b.paused = c.owner.server.now()
	c.owner.server.counters.readPauses.Add(1)
	c.socket.Pause()
	if b.announce == nil {
		b.announce = time.AfterFunc(pauseAnnounce, c.announcePause)
	}
}

// announcePause makes an event of a pause that lasts. Its timer is left alone by pauses that end and begin in the meantime,
// so that bulk traffic makes no timer for each.
func (c *Conn) announcePause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.sending
	if b == nil { // closed
		return
	}
	if b.paused == 0 || c.has(flagDone) {
		b.announce = nil
		c.dropSending()
		return
	}
	paused := c.owner.server.since(b.paused)
	if paused < pauseAnnounce {
		b.announce.Reset(pauseAnnounce - paused)
		return
	}
	b.announce = nil
	c.flags |= flagAnnounced
	c.publish(event.BackpressureOn, &event.PauseDetail{Paused: paused, Queued: uint64(b.queue.Size)})
}

// resumeIfLow reads again when the queue is at the low water, or while the queue budget is scarce when it is empty. The caller holds mu.
func (c *Conn) resumeIfLow() {
	l := c.owner.server.limits.Load()
	if n := c.queued(); n == 0 || n <= l.LowWater && !c.owner.server.queued.scarce(l) {
		c.resume()
	}
}

// resume ends a pause for the send queue. The caller holds mu.
func (c *Conn) resume() {
	b := c.sending
	if b == nil || b.paused == 0 {
		return
	}
	paused := c.owner.server.since(b.paused)
	b.paused = 0
	c.readOn()
	if c.has(flagAnnounced) {
		c.flags &^= flagAnnounced
		c.publish(event.BackpressureOff, &event.PauseDetail{Paused: paused, Queued: uint64(b.queue.Size)})
	}
}

// readOn reads again when neither the send queue nor a receive rate forbids it. The caller holds mu.
func (c *Conn) readOn() {
	if c.sending != nil && c.sending.paused != 0 || c.extra != nil && c.extra.rate != nil && c.extra.rate.paused {
		return
	}
	c.socket.Resume()
}

// progressChecks is how often in a write timeout the kernel is asked whether the peer takes what it holds. The kernel's buffers
// have room for megabytes, and it says that there is room again only when much of them is empty: a peer that reads slowly but
// steadily must not be taken for one that does not read.
const progressChecks = 4

// NextWrite returns the next bytes of the queue, and until when to try before looking whether the peer makes progress.
func (c endpoint) NextWrite() ([]byte, moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued() == 0 || c.has(flagDone) {
		c.flags &^= flagFlushing
		c.dropSending()
		return nil, 0
	}
	p := c.sending.queue.Front()
	return p, c.owner.server.now() + moment(c.owner.server.limits.Load().WriteTimeout/progressChecks)
}

// Wrote takes note of progress, or of the lack of it.
func (c endpoint) Wrote(n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.sending.queue.Advance(n)
		c.owner.server.queued.give(n)
		c.took(n)
		c.wakeWaits()
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.fail(event.OpWrite, err)
		return
	}
	c.resumeIfLow()
	switch b := c.sending; {
	case err != nil:
		c.judgeProgress()
	case n == 0 && b != nil: // a part of a TLS record was taken
		b.progress, b.held = c.owner.server.now(), -1
	}
	c.finishIfDone()
}

// judgeProgress closes a peer that took nothing for the write timeout. The caller holds mu.
func (c *Conn) judgeProgress() {
	b := c.sending
	if b == nil || b.queue.Size == 0 {
		return
	}
	held := c.socket.Unacknowledged()
	if b.held >= 0 && held >= 0 && held != b.held {
		b.progress = c.owner.server.now()
	}
	b.held = held
	if c.owner.server.since(b.progress) < c.owner.server.limits.Load().WriteTimeout {
		return
	}
	c.endNow(ending{reason: ReasonSlowConsumer,
		text: fmt.Sprintf("the peer took no byte for %s; %d bytes were queued", c.owner.server.limits.Load().WriteTimeout, b.queue.Size)}, true)
}

// CloseWrite finishes the gateway's side: FIN is sent behind what is queued. The peer may go on sending; when it has
// finished too, the connection is closed with ReasonPeerClosed. A second call does nothing.
func (c *Conn) CloseWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flags |= flagFinish
	c.finishIfDone()
}

// finishIfDone sends FIN when it is due and the queue is empty, and closes when both sides have finished. The caller holds
// mu.
func (c *Conn) finishIfDone() {
	if !c.has(flagFinish) || c.queued() > 0 || c.has(flagDone) || !c.has(flagOpened) || c.ending != nil && c.ending.answering {
		return
	}
	if !c.has(flagFinished | flagPeerEnded) { // after the peer's end, closing sends the FIN
		c.flags |= flagFinished
		if err := c.socket.CloseWrite(); err != nil {
			c.fail(event.OpWrite, err)
			return
		}
	}
	if c.has(flagPeerEnded) {
		c.endNow(ending{reason: ReasonPeerClosed}, false)
	}
}

// await registers a wait for everything queued so far; there is a queue. The caller holds mu.
func (c *Conn) await() *writeWait {
	w := &writeWait{upTo: c.sent.Load() + uint64(c.queued()), done: make(chan struct{})}
	c.sending.waits = append(c.sending.waits, w)
	return w
}

// wakeWaits ends the waits whose bytes were taken, or all of them when the connection is closed. The caller holds mu.
func (c *Conn) wakeWaits() {
	b := c.sending
	if len(b.waits) == 0 {
		return
	}
	sent, kept := c.sent.Load(), b.waits[:0]
	for _, w := range b.waits {
		if sent >= w.upTo || c.has(flagClosed) {
			close(w.done)
			continue
		}
		kept = append(kept, w)
	}
	clear(b.waits[len(kept):])
	if b.waits = kept; len(kept) == 0 {
		b.waits = nil
	}
}

// stopWaiting forgets a wait that its caller gave up. The caller holds mu.
func (c *Conn) stopWaiting(w *writeWait) {
	b := c.sending
	if b == nil {
		return
	}
	if i := slices.Index(b.waits, w); i >= 0 {
		b.waits = slices.Delete(b.waits, i, i+1)
	}
	c.dropSending()
}

// sending is what a connection has while bytes wait for its peer: the send queue and what flow control needs to know. The
// connection's lock guards it.
type sending struct {
	queue    sendqueue.Queue
	progress moment // when the kernel last took a byte of the queue, or the peer's kernel one of the kernel's; or the queue began
	held     int    // bytes that the kernel held for the peer when progress was last looked for; -1 when it was not
	paused   moment // since when reading is paused; 0 when it is not
	waits    []*writeWait
	announce *time.Timer // looks whether a pause has lasted; nil when none was made lately
}

// sendings are those that nothing needs any more: a broadcast to many slow peers allocates nothing for them.
var sendings = sync.Pool{New: func() any { return new(sending) }}

// queued returns how many bytes wait. The caller holds mu.
func (c *Conn) queued() int {
	if c.sending == nil {
		return 0
	}
	return c.sending.queue.Size
}

// dropSending forgets a sending that nothing needs any more. The caller holds mu.
func (c *Conn) dropSending() {
	if b := c.sending; b != nil && b.queue.Size == 0 && b.paused == 0 && b.announce == nil && len(b.waits) == 0 {
		c.releaseSending()
	}
}

// endSending drops what is queued; the connection is closed. The caller holds mu.
func (c *Conn) endSending() {
	b := c.sending
	if b == nil {
		return
	}
	if b.announce != nil {
		b.announce.Stop()
	}
	c.owner.server.queued.give(b.queue.Size)
	c.wakeWaits()
	c.releaseSending()
}

func (c *Conn) releaseSending() {
	*c.sending = sending{}
	sendings.Put(c.sending)
	c.sending = nil
}
