// Package fleettest has the parts that tests of fleets share: a bus in memory whose links can be cut, NATS servers in
// processes of their own, and the conformance suite of every bus.
package fleettest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/bus"
)

// Loopback is a bus in memory for nodes in one process, with links that can be cut and delayed. Its methods may be
// called from any goroutine.
//
// Lock order: docs/locks.md.
type Loopback struct {
	mu    sync.Mutex
	buses map[string]*LoopbackBus
	subs  []*subscription
	cut   map[[2]string]bool
	delay map[string]time.Duration
	spies []func(from, subject string, data []byte)
}

// NewLoopback returns a bus without nodes.
func NewLoopback() *Loopback {
	return &Loopback{buses: make(map[string]*LoopbackBus), cut: make(map[[2]string]bool),
		delay: make(map[string]time.Duration)}
}

// errDisconnected is the error of Publish without a connection.
var errDisconnected = errors.New("the loopback bus is disconnected")

// Bus returns the bus of a place. A place is a node's name, or stands for a machine: two processes with the same node's
// name may be in different places. The caller must end every subscription.
func (l *Loopback) Bus(place string) *LoopbackBus {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &LoopbackBus{loop: l, place: place, changed: make(chan struct{}),
		status: bus.Status{Mode: "loopback", Connected: true, Since: time.Now()}}
	l.buses[place] = b
	return b
}

// Cut cuts or heals the link between two places, in both directions.
func (l *Loopback) Cut(a, b string, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut[[2]string{a, b}], l.cut[[2]string{b, a}] = cut, cut
}

// Delay holds back by d every message that the place publishes from now on.
func (l *Loopback) Delay(place string, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay[place] = d
}

// Spy calls f for each published message before it is delivered. f must not call the bus, because the bus's lock is
// held.
func (l *Loopback) Spy(f func(place, subject string, data []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spies = append(l.spies, f)
}

// LoopbackBus is the bus of one place. It implements bus.Bus. Its methods may be called from any goroutine.
type LoopbackBus struct {
	loop    *Loopback
	place   string
	status  bus.Status
	changed chan struct{}
}

// Publish hands a copy of a message to the subscriptions of all places that are not cut off. It fails only while its
// own place is disconnected. It never blocks.
func (b *LoopbackBus) Publish(subject string, data []byte) error {
	l := b.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if !b.status.Connected {
		return errDisconnected
	}
	data = slices.Clone(data)
	for _, spy := range l.spies {
		spy(b.place, subject, data)
	}
	at := time.Now().Add(l.delay[b.place])
	for _, s := range l.subs {
		if s.bus.status.Connected && !l.cut[[2]string{b.place, s.bus.place}] && covers(s.subject, subject) {
			s.put(delivery{subject: subject, data: data, at: at})
		}
	}
	return nil
}

// Subscribe calls deliver for each message on a subject, in a goroutine of the subscription. It never fails.
func (b *LoopbackBus) Subscribe(subject string, deliver func(subject string, data []byte)) (func(), error) {
	s := &subscription{bus: b, subject: subject, wake: make(chan struct{}, 1), done: make(chan struct{}),
		ended: make(chan struct{})}
	b.loop.mu.Lock()
	b.loop.subs = append(b.loop.subs, s)
	b.loop.mu.Unlock()
	go s.run(deliver)
	return sync.OnceFunc(func() {
		b.loop.mu.Lock()
		b.loop.subs = slices.DeleteFunc(b.loop.subs, func(other *subscription) bool { return other == s })
		b.loop.mu.Unlock()
		close(s.done)
		<-s.ended
	}), nil
}

// Status reports whether the place is connected.
func (b *LoopbackBus) Status() bus.Status {
	b.loop.mu.Lock()
	defer b.loop.mu.Unlock()
	return b.status
}

// Changed returns a channel that is closed when Status changes.
func (b *LoopbackBus) Changed() <-chan struct{} {
	b.loop.mu.Lock()
	defer b.loop.mu.Unlock()
	return b.changed
}

// Connect connects or disconnects the place.
func (b *LoopbackBus) Connect(connected bool) {
	b.loop.mu.Lock()
	defer b.loop.mu.Unlock()
	b.status.Connected, b.status.Since, b.status.Problem = connected, time.Now(), ""
	if !connected {
		b.status.Problem = "disconnected by the test"
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// covers reports whether a subscription's subject covers a message's.
func covers(pattern, subject string) bool {
	if pattern == subject {
		return true
	}
	return slices.EqualFunc(strings.Split(pattern, "."), strings.Split(subject, "."), func(want, got string) bool {
		return want != "" && (want == "*" || want == got)
	})
}

type delivery struct {
	subject string
	data    []byte
	at      time.Time
}

// subscription delivers in a goroutine of its own. Ending it waits for that goroutine.
type subscription struct {
	bus     *LoopbackBus
	subject string
	wake    chan struct{}
	done    chan struct{}
	ended   chan struct{}

	mu    sync.Mutex
	queue []delivery
}

func (s *subscription) put(d delivery) {
	s.mu.Lock()
	s.queue = append(s.queue, d)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) take() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q
}

func (s *subscription) run(deliver func(string, []byte)) {
	defer close(s.ended)
	for {
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
		for _, d := range s.take() {
			if !s.await(d.at) {
				return
			}
			deliver(d.subject, d.data)
		}
	}
}

// await waits until a moment. It returns false if the subscription ends first.
func (s *subscription) await(at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		select {
		case <-s.done:
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}
