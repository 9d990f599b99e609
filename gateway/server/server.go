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
	"github.com/sockgate/sockgate/gateway/server/internal/counter"
	"github.com/sockgate/sockgate/gateway/server/internal/drain"
	"github.com/sockgate/sockgate/gateway/server/internal/entrance"
	"github.com/sockgate/sockgate/gateway/server/internal/history"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
	"github.com/sockgate/sockgate/gateway/server/internal/replay"
	"github.com/sockgate/sockgate/gateway/server/internal/rounds"
	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Server is one gateway: listeners, connections, and the verbs on them. New makes it. Its methods may be called from
// any goroutine. Serve owns every goroutine of the server and waits for all of them.
type Server struct {
	// Lock order: docs/locks.md.

	config   Config
	origin   *event.Origin
	started  time.Time
	clock    transport.Clock
	log      *event.Log
	engine   transport.Engine // made by Serve, unless a test has set one
	loops    int              // loops of the engine: GOMAXPROCS at New
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
	held       counter.Bytes
	drain      *drain.Drain[DrainRequest]
	counters   counter.Totals

	mu        sync.Mutex
	listeners []*listener
	listening bool
	serving   bool
	done      chan struct{} // closed when Serve has ended everything
}

// ErrServing says that Serve was called a second time, or after Shutdown. A server serves once.
var ErrServing = errors.New("the server is serving, has served or was shut down: make a new one")

// New checks the configuration and returns a server that does not listen yet and has no goroutine. The error names what
// is wrong and says what was expected.
func New(config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	clock := transport.NewClock()
	s := &Server{
		config:  config,
		origin:  &event.Origin{Node: config.Node, Incarnation: strconv.FormatInt(now.UnixMilli(), 16)},
		started: now,
		loops:   runtime.GOMAXPROCS(0),
		clock:   clock,
		tls:     transport.NewTLS(clock, patience),
		drain:   drain.New[DrainRequest](),
		done:    make(chan struct{}),
	}
	s.addresses.Banned = s.banned
	s.admissions.SetPatience(patience)
	s.useLimits(&config.Limits)
	s.bans.Kept, s.bans.Report = config.BanFile != "", s.reportBans
	s.log = event.NewLog(*s.origin, config.EventLogSize)
	house := s.house()
	for _, l := range config.Listeners {
		s.listeners = append(s.listeners, newListener(s, house, l))
	}
	return s, nil
}

// Listen reads the bans and binds every listener; connections wait in the kernel until Serve. A server that listens
// needs Serve or Shutdown to let go of its addresses. A second call does nothing. The error names the file that could
// not be read or the address that could not be bound, and then none is. Serve calls it when it was not called.
func (s *Server) Listen() error {
	damage, err := s.listen()
	if damage != nil {
		s.reportBans(ban.Report{Text: "bans are lost", Err: damage})
	}
	return err
}

// listen does the work of Listen. damage is the fault of a ban file that was set aside.
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
		if err := l.Bind(); err != nil {
			for _, bound := range s.listeners[:i] {
				bound.Close()
			}
			return damage, errors.Join(err, s.bans.Close())
		}
	}
	s.listening = true
	return damage, nil
}

// Serve accepts and serves connections until a drain has ended. Shutdown and StartDrain start one, and the end of ctx
// starts one with Config.DrainTimeout. Serve then returns nil, and every goroutine and connection of the server has
// ended. An error says that serving could not begin. Serve can be called only once.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	var sweeping sync.WaitGroup
	stopSweep := make(chan struct{})
	sweep := s.newSweep()
	sweeping.Go(func() { rounds.Run(stopSweep, s.clock, sweep.Period, sweep.Once) })
	// The end of ctx also counts during a drain: it can shorten the drain, as every later request can.
	stopWatching := context.AfterFunc(ctx, func() {
		s.StartDrain(DrainRequest{Grace: s.config.DrainTimeout, Reason: context.Cause(ctx).Error()})
	})
	defer stopWatching()
	<-s.drain.Begun
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
		s.log.Append(&event.Event{Type: event.Listening, Detail: l.Detail()})
		if err := l.Accept(s.engine); err != nil {
			s.giveUp()
			return err
		}
	}
	return nil
}

// beServing makes the engine; the error is ErrServing at the second call.
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

// closeListeners stops accepting, and refuses pending connections. When it returns, no further connection is
// registered.
func (s *Server) closeListeners(why string) {
	for _, l := range s.listeners {
		l.Close()
	}
	s.admissions.RefuseAll(admission.Refusal{Reason: event.ReasonShutdown, Text: why})
	for _, l := range s.listeners {
		l.StopRefusals()
	}
}

// giveUp undoes begin when a listener cannot accept.
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
// for at most a second and closed, and the error is ctx's. It returns when Serve has ended everything, or at once when
// Serve was not called, and then Serve returns ErrServing. A second call waits as the first does. The deadline that the
// drain announces is a second after ctx's, or 24 h from now when ctx has none.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	serving := s.serving
	if !serving {
		s.serving = true // makes a later Serve fail
		for _, l := range s.listeners {
			l.Close()
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

// drainWithin starts the drain of a Shutdown, which begins its flush at ctx's deadline.
func (s *Server) drainWithin(ctx context.Context) {
	r := DrainRequest{Grace: drain.MaxGrace, Reason: "Shutdown"}
	now := time.Now()
	ends, ok := ctx.Deadline()
	if !ok || ends.Sub(now) >= drain.MaxGrace {
		s.StartDrain(r)
		return
	}
	if ends.Before(now) {
		ends = now
	}
	s.drainBy(ends.Add(drain.HurriedFlush), drain.HurriedFlush, r)
}

// cutShortBy returns the error of a Shutdown whose drain is over: ctx's, if its end closed connections. The timer of
// the drain may run a moment before ctx ends.
func (s *Server) cutShortBy(ctx context.Context) error {
	cut := s.drain.Status().Left > 0
	if ends, ok := ctx.Deadline(); !ok || !cut || time.Now().Before(ends) {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// Log returns the server's event log. It outlives Serve, so that subscribers get the last events. The program closes it
// when Serve has returned: until then, subscriptions wait for more, and so does control.Server.Stop for event streams.
func (s *Server) Log() *event.Log { return s.log }

// Node returns the server's name.
func (s *Server) Node() string { return s.origin.Node }

// Live returns how many connections are live. It does not block.
func (s *Server) Live() int { return s.registry.Live() }

// forget moves a closed connection from the registry to the remembered ones, and publishes its Closed event. It
// remembers the connection before it takes it out of the registry, so that no walk misses it. A walk that still finds
// it in the registry sees that it is closed.
func (s *Server) forget(c *Conn, info Connection) {
	s.counters.Closed[info.CloseReason].Add(1)
	s.counters.Unsent.Add(info.UnsentBytes)
	s.counters.Discarded.Add(info.DiscardedBytes)
	c.owner.Places.Leave()
	if s.addresses.Counting.Load() {
		c.uncountAddress()
	}
	s.closed.Add(info)
	s.log.Append(&event.Event{Type: event.Closed, Conn: info,
		Detail: &event.ClosedDetail{Lifetime: info.ClosedAt.Sub(info.ConnectedAt)}})
	if s.registry.Remove(c.identity.Seq) == 0 {
		s.drain.Emptied()
	}
}
