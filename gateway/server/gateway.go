package server

import (
	"crypto/tls"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/counter"
	"github.com/sockgate/sockgate/gateway/server/internal/process"
)

// GatewayInfo is the state of a server at one moment. It is a copy, except for the maps and slices in Config, which
// must not be modified.
type GatewayInfo struct {
	Node, Incarnation string         // the server's name, and the ID of this life of it
	Version           string         // Config.Version
	Engine            string         // one of Engines
	StartedAt         time.Time      // when New was called
	Uptime            time.Duration  // time since StartedAt
	Listeners         []ListenerInfo // in the order of Config.Listeners
	Config            Config         // with every default filled in, and the limits in force
	Totals            Totals
	Cursor            event.Cursor // position of the newest event
	OldestSequence    uint64       // sequence of the oldest event that the log keeps; 0 without one
	EventLogSize      int          // most events that the log keeps
	Draining          bool         // whether a drain has begun
	DrainDeadline     time.Time    // when the drain closes every connection; zero without a drain
	Process           ProcessInfo  // of the whole process
}

// ListenerInfo describes a listener. Name is the configured one; Address has the real port.
type ListenerInfo struct {
	Name, Address string
	Handler       string // the handler's Name(), or `custom` without such a method
	Open          bool   // whether it accepts connections
	Connections   int    // live connections
	TLS           bool   // whether its connections are TLS
	ClientAuth    string // certificates of clients: `off`, `request` or `require`; empty without TLS
	Proxy         string // PROXY headers: `off`, `optional` or `required`
}

// Totals counts from the start of the incarnation. Connections, Pending, QueuedBytes and EventStreams are numbers of
// this moment.
type Totals struct {
	Connections int // live connections
	// sockets that are being admitted: their PROXY header or TLS handshake is not complete
	Pending  int
	Accepted uint64 // connections that became live
	Refused  uint64 // the sum of Refusals
	// refused connections by reason, without zeros
	Refusals                                              map[CloseReason]uint64
	AcceptErrors                                          uint64                 // errors of accepting
	Closed                                                map[CloseReason]uint64 // closes by reason, without zeros
	BytesReceived, BytesSent, BytesUnsent, BytesDiscarded uint64                 // see event.Connection
	SendsDropped, ReadPauses, EventStreams, EventsMissed  uint64
	QueuedBytes                                           uint64 // bytes in all send queues
	RatePauses                                            uint64 // pauses of reading for a receive rate
}

// Gateway returns the state of the server. It does not block.
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
	if s.drain != nil {
		g.Draining, g.DrainDeadline = true, s.drain.deadline
	}
	for _, l := range s.listeners {
		g.Listeners = append(g.Listeners, ListenerInfo{Name: l.config.Name, Address: l.address(),
			Handler: handlerName(l.config.Handler), Open: l.open.Load(), Connections: l.places.Live(), TLS: l.config.TLS != nil,
			ClientAuth: clientAuth(l.config.TLS),
			Proxy:      l.config.Proxy.String()})
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
		Connections: s.registry.Live(), Pending: s.registry.Pending(), Accepted: c.accepted.Load(),
		Refusals:     occurred(&c.refusals),
		AcceptErrors: c.acceptErrors.Load(), Closed: occurred(&c.closed),
		BytesReceived: c.received.Load(), BytesSent: c.sent.Load(), BytesUnsent: c.unsent.Load(),
		BytesDiscarded: c.discarded.Load(),
		SendsDropped:   c.dropped.Load(), ReadPauses: c.readPauses.Load(), RatePauses: c.ratePauses.Load(),
		QueuedBytes:  uint64(max(0, s.queued.Bytes())),
		EventStreams: uint64(s.log.Streams()), EventsMissed: s.log.Missed(),
	}
	for _, n := range t.Refusals {
		t.Refused += n
	}
	return t
}

// occurred returns the counts that are not 0, by reason.
func occurred(counts *[event.ReasonCount]atomic.Uint64) map[CloseReason]uint64 {
	found := make(map[CloseReason]uint64)
	for reason := range counts {
		if n := counts[reason].Load(); n > 0 {
			found[CloseReason(reason)] = n
		}
	}
	return found
}

// counters counts from the start of the server.
type counters struct {
	received     counter.Sharded
	sent         counter.Sharded
	accepted     atomic.Uint64
	acceptErrors atomic.Uint64
	unsent       atomic.Uint64
	discarded    atomic.Uint64
	dropped      atomic.Uint64
	readPauses   atomic.Uint64
	ratePauses   atomic.Uint64
	closed       [event.ReasonCount]atomic.Uint64
	refusals     [event.ReasonCount]atomic.Uint64
}

// clientAuth returns whether clients are asked for certificates: `off`, `request` or `require`; empty without TLS.
func clientAuth(config *tls.Config) string {
	switch {
	case config == nil:
		return ""
	case config.ClientAuth == tls.NoClientCert:
		return "off"
	case config.ClientAuth == tls.RequireAnyClientCert, config.ClientAuth == tls.RequireAndVerifyClientCert:
		return "require"
	}
	return "request"
}

// ProcessInfo is the use of the whole process, including work other than the server's.
type ProcessInfo struct {
	ResidentBytes uint64 // memory in RAM, without the kernel's socket buffers; 0 where it is not known
	HeapBytes     uint64 // live objects of the Go heap, and dead ones that are not freed yet
	Goroutines    uint64 // goroutines that exist
}
