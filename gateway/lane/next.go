package lane

import (
	"context"
	"time"
)

// beat is how long a lane may be silent: Next returns after it without a delivery.
const beat = 5 * time.Second

// Next calls each with deliveries, in order, and returns when there are no more for now or a batch is full: about 64
// KiB or 1,024 deliveries, and 16 KiB of one connection. It waits for the first one, for 5 s at most, after which it
// returns without one. The error is ctx's, or the *Cause of the lane's end. each must not block or call the lane; a
// delivery counts as delivered when each returns. For one goroutine at a time.
func (l *Lane) Next(ctx context.Context, each func(*Delivery)) error {
	b := batch{lane: l, each: each}
	for {
		l.gather(&b)
		if b.count > 0 {
			l.beaten.Store(l.handler.table.now.Load())
			return nil
		}
		beats, err := l.await(ctx)
		if err != nil || beats {
			return err
		}
	}
}

// await waits for news. It returns true when it is time for a sign of life.
func (l *Lane) await(ctx context.Context) (beats bool, err error) {
	l.mu.Lock()
	switch now := l.handler.table.now.Load(); {
	case len(l.ready) > l.next || len(l.moved) > 0 || len(l.notices) > 0 && l.cause == nil:
		l.mu.Unlock()
		return false, nil
	case l.cause != nil:
		l.mu.Unlock()
		return false, l.cause
	case now-l.beaten.Load() >= int64(beat):
		l.beaten.Store(now)
		l.mu.Unlock()
		return true, nil
	}
	l.waiting = true
	l.mu.Unlock()
	select {
	case <-l.woken:
		return false, nil
	case <-ctx.Done():
		l.mu.Lock()
		if !l.waiting { // a token is in woken
			<-l.woken
		}
		l.waiting = false
		l.mu.Unlock()
		return false, ctx.Err()
	}
}

// batch counts the deliveries of one call of Next.
type batch struct {
	lane  *Lane
	each  func(*Delivery)
	count int
	bytes int
	d     Delivery
}

func (b *batch) full() bool { return b.count >= batchCount || b.bytes >= batchBytes }

// emit hands out the delivery of b.d.
func (b *batch) emit() {
	b.count++
	b.bytes += len(b.d.Data) + deliveryCost
	if b.d.Kind == Opened || b.d.Kind == Closed {
		b.bytes += openedCost
	}
	b.each(&b.d)
	b.d = Delivery{}
}

// What a delivery takes in a batch beside its data, about, in bytes.
const (
	deliveryCost = 16
	openedCost   = 512
)

// gather fills the batch with what is there.
func (l *Lane) gather(b *batch) {
	for !b.full() {
		o, about := l.pop()
		switch {
		case o != nil:
			o.deliver(b)
		case about.Kind != 0:
			b.d = about
			b.emit()
		default:
			return
		}
	}
}

// pop returns a connection with news, or news about the lane, or neither.
func (l *Lane) pop() (o *owner, about Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.notices); n > 0 {
		first := l.notices[0]
		l.notices = l.notices[1:]
		return nil, Delivery{Kind: first.kind, Within: first.within}
	}
	if n := len(l.moved); n > 0 {
		number := l.moved[0]
		if l.moved = l.moved[1:]; n == 1 {
			l.moved = nil
		}
		return nil, Delivery{Kind: Moved, Connection: number}
	}
	if l.next == len(l.ready) {
		l.ready, l.next = l.ready[:0], 0
		return nil, Delivery{}
	}
	o = l.ready[l.next]
	l.ready[l.next] = nil
	if l.next++; l.next == len(l.ready) || l.next >= 1024 && l.next >= len(l.ready)/2 {
		n := copy(l.ready, l.ready[l.next:])
		clear(l.ready[n:])
		l.ready, l.next = l.ready[:n], 0
	}
	return o, Delivery{}
}

// deliver adds the connection's news to a batch.
func (o *owner) deliver(b *batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lane != b.lane { // it has moved; its new lane has it among its ready ones
		return
	}
	o.flags &^= flagQueued
	number := o.number()
	if o.has(flagOpening) {
		o.flags &^= flagOpening
		o.open(b, number)
	}
	if !o.deliverData(b, number) {
		return
	}
	if o.has(flagEnding) {
		o.flags &^= flagEnding
		b.d = Delivery{Kind: Ended, Connection: number, Position: o.position()}
		b.emit()
	}
	if o.has(flagIdle) {
		o.flags &^= flagIdle
		b.d = Delivery{Kind: Idle, Connection: number, Position: o.position()}
		b.emit()
	}
	if o.has(flagWritten) {
		o.flags &^= flagWritten
		queued := o.conn.Info().QueuedBytes
		b.d = Delivery{Kind: Written, Connection: number, Position: o.position(), Written: o.sent - min(o.sent, queued)}
		b.emit()
	}
	if o.has(flagClosed) {
		o.deliverClosed(b, number)
	}
}

// open delivers Opened. The caller holds mu.
func (o *owner) open(b *batch, number uint64) {
	b.d = Delivery{Kind: Opened, Connection: number, Position: o.acknowledged, Info: o.conn.Info(), Sent: o.sent,
		Resumed: o.has(flagResumed)}
	if r := o.rare; r != nil {
		b.d.State = r.state
		if r.lostAt == o.acknowledged {
			b.d.Attempt = uint32(r.losses)
		}
	}
	b.emit()
}

// deliverData delivers bytes, at most a turn of them. It returns false when bytes are left. The caller holds mu.
func (o *owner) deliverData(b *batch, number uint64) (done bool) {
	log := o.backlog
	if log == nil || !log.fresh() {
		return true
	}
	if o.suspected() && !o.handler.quarantine.enter(o) {
		return false
	}
	stats := &o.lane.stats
	for turn := turnBytes; log.fresh(); {
		if turn <= 0 || b.full() {
			o.news()
			return false
		}
		p, position := log.next(turn)
		turn -= len(p) + deliveryCost
		b.d = Delivery{Kind: Data, Connection: number, Position: position, Data: p}
		b.emit()
		stats.deliveries.Add(1)
		stats.delivered.Add(uint64(len(p)))
	}
	return true
}

// deliverClosed delivers the end, and forgets the connection. The caller holds mu.
func (o *owner) deliverClosed(b *batch, number uint64) {
	b.d = Delivery{Kind: Closed, Connection: number, Position: o.position(), Info: *o.rare.closed}
	b.emit()
	o.lane.remove(o, false)
	o.lane = nil
	o.rare.closed = nil
	o.handler.quarantine.leave(o)
	o.drop()
	o.handler.watches.leave(o)
}
