package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/entrance"
	"github.com/sockgate/sockgate/gateway/server/internal/process"
)

// GatewayInfo describes a server at one moment. The maps, slices and pointers in Config must not be modified.
type GatewayInfo struct {
	Node, Incarnation string         // the name, and the life of the server under that name
	Version           string         // Config.Version
	Engine            string         // one of Engines
	StartedAt         time.Time      // when New made the server, by the machine's clock
	Uptime            time.Duration  // since then, by a clock that is never set
	Listeners         []ListenerInfo // in the order of Config.Listeners
	Config            Config         // with every default filled in, and the limits in force
	Totals            Totals
	Cursor            event.Cursor // the position of the newest event
	OldestSequence    uint64       // of the events that the log keeps
	EventLogSize      int          // events that the log keeps at most
	Draining          bool         // a drain has begun
	DrainDeadline     time.Time    // zero unless Draining
	Process           ProcessInfo
}

// ListenerInfo describes a listener.
type ListenerInfo struct {
	Name        string // as configured
	Address     string // as configured until Listen; then `ip:port` with the real port, or `unix:` and the path
	Handler     string // the handler's Name(), or `custom` when it has no such method
	Open        bool   // bound, from Listen until a drain
	Connections int    // live ones
	TLS         bool   // whether connections are TLS
	ClientAuth  string // whether clients are asked for certificates: `off`, `request` or `require`; empty without TLS
	Proxy       string // PROXY headers: `off`, `optional` or `required`
	Framing     string // how received bytes are cut into frames, as frame.Parse reads it, for example `length:2`; or `raw`
	MaxFrame    int    // most bytes of a frame; 0 with `raw`
}

// Totals counts from the start of the incarnation. Connections, Pending, QueuedBytes, EventStreams, Held and
// UnacknowledgedBytes are numbers of this moment.
type Totals struct {
	Connections    int                    // live ones
	Pending        int                    // being admitted: their PROXY header or TLS handshake is not complete
	Accepted       uint64                 // connections that became live
	Refused        uint64                 // connections that were not admitted: the sum of Refusals
	Refusals       map[CloseReason]uint64 // by reason; those that occurred
	AcceptErrors   uint64                 // failures of accepting
	Closed         map[CloseReason]uint64 // connections that closed, by reason; those that occurred
	BytesReceived  uint64                 // read from peers
	BytesSent      uint64                 // taken by the kernel for peers
	BytesUnsent    uint64                 // accepted for peers and lost by a close
	BytesDiscarded uint64                 // arrived while their connection was being closed
	SendsDropped   uint64                 // sends that did not fit in a queue or the budget
	ReadPauses     uint64                 // how often reading was paused for a send queue
	EventStreams   uint64                 // open subscriptions
	EventsMissed   uint64                 // kept events that subscriptions did not get
	QueuedBytes    uint64                 // in all send queues
	RatePauses     uint64                 // how often reading was paused for a receive rate
	HandlerPauses  uint64                 // how often a handler paused reading
	Held           uint64                 // connections that wait for an instance of their remote handler
	// UnacknowledgedBytes are those that remote handlers have not acknowledged, and of frames that are not complete.
	UnacknowledgedBytes uint64
}

// Gateway describes the server as it is now. It does not block; it takes some microseconds, for the memory in use.
func (s *Server) Gateway() GatewayInfo {
	g := GatewayInfo{
		Node: s.origin.Node, Incarnation: s.origin.Incarnation, Version: s.config.Version, Engine: s.config.Engine,
		StartedAt: s.started, Uptime: time.Since(s.started), Config: s.config, Totals: s.totals(),
		Cursor: s.log.Head(), OldestSequence: s.log.Oldest(), EventLogSize: s.log.Size(),
		Process: ProcessInfo(process.Read()),
	}
	g.Config.Limits = *s.limits.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.drain.Status()
	g.Draining, g.DrainDeadline = d.Begun, d.Deadline
	for _, l := range s.listeners {
		g.Listeners = append(g.Listeners, ListenerInfo{Name: l.config.Name, Address: l.Address(),
			Handler: handlerName(l.config.Handler), Open: l.IsOpen(), Connections: l.Places.Live(), TLS: l.config.TLS != nil,
			ClientAuth: entrance.ClientAuth(l.config.TLS),
			Proxy:      l.config.Proxy.String(), Framing: l.config.Frame.String(), MaxFrame: l.more})
	}
	return g
}

// handlerName returns the handler's own name, or `custom` without one.
func handlerName(h Handler) string {
	if named, ok := h.(interface{ Name() string }); ok {
		return named.Name()
	}
	return "custom"
}

func (s *Server) totals() Totals {
	c := &s.counters
	t := Totals{
		Connections: s.registry.Live(), Pending: s.registry.Pending(), Accepted: c.Accepted.Load(),
		Refusals:     c.Refusals.Occurred(),
		AcceptErrors: c.AcceptErrors.Load(), Closed: c.Closed.Occurred(),
		BytesReceived: c.Received.Load(), BytesSent: c.Sent.Load(), BytesUnsent: c.Unsent.Load(),
		BytesDiscarded: c.Discarded.Load(),
		SendsDropped:   c.Dropped.Load(), ReadPauses: c.ReadPauses.Load(), RatePauses: c.RatePauses.Load(),
		QueuedBytes:   uint64(max(0, s.queued.Bytes())),
		HandlerPauses: c.HandlerPauses.Load(), Held: uint64(max(0, c.Held.Load())),
		UnacknowledgedBytes: uint64(max(0, s.held.Bytes())),
		EventStreams:        uint64(s.log.Streams()), EventsMissed: s.log.Missed(),
	}
	for _, n := range t.Refusals {
		t.Refused += n
	}
	return t
}

// ProcessInfo is the use of the whole process, including work other than the server's.
type ProcessInfo struct {
	ResidentBytes uint64 // memory in RAM, without the kernel's socket buffers; 0 where it is not known
	HeapBytes     uint64 // of the Go heap: live objects, and dead ones that were not freed yet
	Goroutines    uint64 // how many there are
}
