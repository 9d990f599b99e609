package server

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/ban"
	"github.com/sockgate/sockgate/gateway/server/internal/entrance"
	"github.com/sockgate/sockgate/gateway/server/internal/history"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
	"github.com/sockgate/sockgate/gateway/server/internal/replay"
	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Server is one gateway: listeners, connections, and the verbs on them. Its methods may be called from any goroutine.
//
// Lock order: Server.mu, the registry's (registry.mu, then a chunk's), and those of history.Ring, replay.Log and bans
// are never held together with Conn.mu. Server.mu goes before bans.mu, under which there is none. Under Conn.mu come
// the socket's lock and the event log's, which is the last of all; that of gather.Gatherer too has only the log's under
// it. A connection that is being admitted has a lock of its own, pending.mu, under which all of these may come;
// entrance.Table has none under it. Nothing is written to Config.Logger with any of them held. Serve owns every
// goroutine of the server and waits for all of them.
type Server struct {
	// Lock order: Server.mu, the registry's (registry.mu, then a chunk's), and those of history.Ring, replay.Log and bans
	// are never held together with Conn.mu. Server.mu goes before bans.mu, under which there is none. Under Conn.mu come
	// the socket's lock and the event log's, which is the last of all; that of gather.Gatherer too has only the log's
	// under it. A connection that is being admitted has a lock of its own, pending.mu, under which all of these may come;
	// admissions has none under it. Nothing is written to Config.Logger with any of them held.

	config   Config
	origin   *event.Origin
	started  time.Time
	clock    transport.Clock
	log      *event.Log
	engine   transport.Engine // made by Serve, unless a test put one here
	loops    int              // of the engine: GOMAXPROCS when the server was made
	tls      *transport.TLS
	limits   atomic.Pointer[Limits]
	updating sync.Mutex // held by UpdateLimits; see there

	registry   registry.Registry[*Conn, seqOf]
	admissions entrance.Table
	addresses  admission.Addresses
	closed     history.Ring
	requests   replay.Log[BroadcastResult]
	bans       ban.List
	queued     sendqueue.Budget
	counters   counters

	mu        sync.Mutex
	listeners []*listener
	listening bool
	serving   bool
	drain     *drain        // nil until one begins
	drainSet  chan struct{} // closed when a drain begins
	emptied   chan struct{} // capacity 1; gets a token when the last connection goes
	done      chan struct{} // closed when Serve has ended everything
}

// ErrServing says that Serve was called a second time.
var ErrServing = errors.New("the server is serving, or has served, already: make a new one")

// New checks the configuration and returns a server that does not listen yet.
func New(config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	clock := transport.NewClock()
	s := &Server{
		config:   config,
		origin:   &event.Origin{Node: config.Node, Incarnation: strconv.FormatInt(now.UnixMilli(), 16)},
		started:  now,
		loops:    runtime.GOMAXPROCS(0),
		clock:    clock,
		tls:      transport.NewTLS(clock),
		drainSet: make(chan struct{}),
		emptied:  make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	s.addresses.Banned = s.banned
	s.useLimits(&config.Limits)
	s.bans.Kept = config.BanFile != ""
	s.log = event.NewLog(*s.origin, config.EventLogSize)
	for _, l := range config.Listeners {
		s.listeners = append(s.listeners, newListener(s, l))
	}
	return s, nil
}

// Listen reads the bans and binds every listener; connections wait in the kernel until Serve. The error names the file
// that could not be read or the address that could not be bound, and then none is. Serve calls it when it was not
// called.
func (s *Server) Listen() error {
	damage, err := s.listen()
	if damage != nil {
		s.reportDamage(damage)
	}
	return err
}

// listen is Listen, once; damage is what was wrong with the ban file.
func (s *Server) listen() (damage, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.listening:
		return nil, nil
	case s.serving: // it was shut down before it listened
		return nil, ErrServing
	}
	if s.bans.Kept {
		if damage, err = s.bans.Open(s.config.BanFile); err != nil {
			return nil, err
		}
	}
	for i, l := range s.listeners {
		if err := l.bind(); err != nil {
			for _, bound := range s.listeners[:i] {
				bound.close()
			}
			return damage, errors.Join(err, s.bans.Close())
		}
	}
	s.listening = true
	return damage, nil
}

// Serve accepts and serves connections until a drain has ended: after Shutdown or StartDrain, or when ctx ends, which
// starts a drain with Config.DrainTimeout. It returns nil then. Every goroutine and connection of the server has ended
// when it returns.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	var sweeping sync.WaitGroup
	stopSweep := make(chan struct{})
	sweeping.Go(func() { s.sweepIdle(stopSweep) })
	// Also a ctx that ends while a drain is under way counts: it shortens it, as every later request does.
	stopWatching := context.AfterFunc(ctx, func() {
		s.StartDrain(DrainRequest{Grace: s.config.DrainTimeout, Reason: context.Cause(ctx).Error()})
	})
	defer stopWatching()
	<-s.drainSet
	s.runDrain()
	close(stopSweep)
	sweeping.Wait()
	s.engine.Wait()
	s.tls.Wait()
	s.closeBans()
	close(s.done)
	return nil
}

func (s *Server) begin() error {
	if err := s.Listen(); err != nil {
		return err
	}
	if err := s.beServing(); err != nil {
		return err
	}
	s.warnOfDescriptors()
	for _, l := range s.listeners {
		s.log.Append(&event.Event{Type: event.Listening, Detail: l.detail()})
		if err := l.accept(); err != nil {
			s.giveUp()
			return err
		}
	}
	return nil
}

// beServing makes the engine, once.
func (s *Server) beServing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving {
		return ErrServing
	}
	if s.engine == nil {
		engine, err := transport.New(s.config.Engine, s.clock, s.loops)
		if err != nil {
			return err
		}
		s.engine = engine
	}
	s.serving = true
	return nil
}

// closeListeners stops accepting, and refuses what is being admitted: when it returns, no connection is registered any
// more.
func (s *Server) closeListeners(why string) {
	for _, l := range s.listeners {
		l.close()
	}
	s.admissions.RefuseAll(admission.Refusal{Reason: event.ReasonShutdown, Text: why})
	for _, l := range s.listeners {
		l.stopReporting()
	}
}

// giveUp ends what begin has begun, when a listener cannot accept.
func (s *Server) giveUp() {
	s.closeListeners("the gateway could not begin to serve")
	s.registry.Walk(func(c *Conn) bool {
		c.Abort(ReasonShutdown)
		return true
	})
	s.engine.Wait()
	s.tls.Wait()
	s.closeBans()
	close(s.done)
}

// Shutdown stops accepting and waits for the connections to end by themselves. When ctx ends first, the rest is flushed
// for at most a second and closed, and the error is ctx's. It returns when Serve has ended everything. The deadline
// that the drain announces is a second after ctx's, or 24 h from now when ctx has none.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	serving := s.serving
	if !serving {
		s.serving = true // so that a later Serve is refused
		for _, l := range s.listeners {
			l.close()
		}
		close(s.done)
	}
	s.mu.Unlock()
	if !serving {
		s.closeBans()
		return nil
	}
	s.drainWithin(ctx)
	select {
	case <-s.done:
		return s.cutShortBy(ctx)
	case <-ctx.Done():
		s.StartDrain(DrainRequest{Reason: "Shutdown"})
		<-s.done
		return ctx.Err()
	}
}

// drainWithin starts the drain of a Shutdown, which flushes what is left when ctx ends.
func (s *Server) drainWithin(ctx context.Context) {
	r := DrainRequest{Grace: maxGrace, Reason: "Shutdown"}
	now := time.Now()
	ends, ok := ctx.Deadline()
	if !ok || ends.Sub(now) >= maxGrace {
		s.StartDrain(r)
		return
	}
	if ends.Before(now) {
		ends = now
	}
	s.drainBy(ends.Add(hurriedFlush), hurriedFlush, r)
}

// cutShortBy is the error of a Shutdown whose drain is over: that of ctx, when ctx's end closed connections. The drain
// has a timer of its own for that moment, which may be the faster one.
func (s *Server) cutShortBy(ctx context.Context) error {
	s.mu.Lock()
	cut := s.drain != nil && s.drain.left > 0
	s.mu.Unlock()
	if ends, ok := ctx.Deadline(); !ok || !cut || time.Now().Before(ends) {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// Log returns the server's event log. It outlives Serve, so that streams can be flushed; its owner closes it.
func (s *Server) Log() *event.Log { return s.log }

// Node returns the server's name.
func (s *Server) Node() string { return s.origin.Node }

// Live returns how many connections are live.
func (s *Server) Live() int { return s.registry.Live() }

// forget moves a closed connection from the registry to the remembered ones and publishes its Closed event. The order
// makes walks exact: it is remembered before it leaves the registry, and a walk that still finds it there sees that it
// is closed.
func (s *Server) forget(c *Conn, info Connection) {
	s.counters.closed[info.CloseReason].Add(1)
	s.counters.unsent.Add(info.UnsentBytes)
	s.counters.discarded.Add(info.DiscardedBytes)
	c.owner.places.Leave()
	if s.addresses.Counting.Load() {
		c.uncountAddress()
	}
	s.closed.Add(info)
	s.log.Append(&event.Event{Type: event.Closed, Conn: info,
		Detail: &event.ClosedDetail{Lifetime: info.ClosedAt.Sub(info.ConnectedAt)}})
	if s.registry.Remove(c.identity.Seq) == 0 {
		select {
		case s.emptied <- struct{}{}:
		default:
		}
	}
}
