package server

import (
	"context"
	"crypto/tls"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// GatewayInfo describes a server.
type GatewayInfo struct {
	Node, Incarnation string
	Version           string
	Engine            string
	StartedAt         time.Time
	Uptime            time.Duration
	Listeners         []ListenerInfo
	Config            Config // with every default filled in, and the limits in force
	Totals            Totals
	Cursor            event.Cursor
	OldestSequence    uint64
	EventLogSize      int
	Draining          bool
	DrainDeadline     time.Time
	Process           ProcessInfo
}

// ListenerInfo describes a listener.
type ListenerInfo struct {
	Name, Address string
	Handler       string
	Open          bool
	Connections   int    // live ones
	TLS           bool   // whether connections are TLS
	ClientAuth    string // whether clients are asked for certificates: `off`, `request` or `require`; empty without TLS
	Proxy         string // PROXY headers: `off`, `optional` or `required`
}

// Totals are counted from the start of the incarnation; Connections, Pending, QueuedBytes and EventStreams are of now.
type Totals struct {
	Connections                                           int                    // live
	Pending                                               int                    // being admitted: their PROXY header or TLS handshake is not complete
	Accepted                                              uint64                 // became live
	Refused                                               uint64                 // the sum of Refusals
	Refusals                                              map[CloseReason]uint64 // by why they were not admitted: reasons that occurred
	AcceptErrors                                          uint64
	Closed                                                map[CloseReason]uint64 // reasons that occurred
	BytesReceived, BytesSent, BytesUnsent, BytesDiscarded uint64
	SendsDropped, ReadPauses, EventStreams, EventsMissed  uint64
	QueuedBytes                                           uint64 // in all send queues now
	RatePauses                                            uint64 // how often reading was paused for a receive rate
}

// Gateway describes the server. The error is always nil; a fleet's is not.
func (s *Server) Gateway(context.Context) (GatewayInfo, error) {
	g := GatewayInfo{
		Node: s.origin.Node, Incarnation: s.origin.Incarnation, Version: s.config.Version, Engine: s.config.Engine,
		StartedAt: s.started, Uptime: time.Since(s.started), Config: s.config, Totals: s.totals(),
		Cursor: s.log.Head(), OldestSequence: s.log.Oldest(), EventLogSize: s.log.Size(), Process: processInfo(),
	}
	g.Config.Limits = *s.limits.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drain != nil {
		g.Draining, g.DrainDeadline = true, s.drain.deadline
	}
	for _, l := range s.listeners {
		g.Listeners = append(g.Listeners, ListenerInfo{Name: l.config.Name, Address: l.address(), Handler: handlerName(l.config.Handler),
			Open: l.open.Load(), Connections: l.places.Live(), TLS: l.config.TLS != nil, ClientAuth: clientAuth(l.config.TLS),
			Proxy: l.config.Proxy.String()})
	}
	return g, nil
}

// handlerName is what the handler calls itself, if it does.
func handlerName(h Handler) string {
	if named, ok := h.(interface{ Name() string }); ok {
		return named.Name()
	}
	return "custom"
}

func (s *Server) totals() Totals {
	c := &s.counters
	t := Totals{
		Connections: s.registry.Live(), Pending: s.registry.Pending(), Accepted: c.accepted.Load(), Refusals: occurred(&c.refusals),
		AcceptErrors: c.acceptErrors.Load(), Closed: occurred(&c.closed),
		BytesReceived: c.received.load(), BytesSent: c.sent.load(), BytesUnsent: c.unsent.Load(), BytesDiscarded: c.discarded.Load(),
		SendsDropped: c.dropped.Load(), ReadPauses: c.readPauses.Load(), RatePauses: c.ratePauses.Load(),
		QueuedBytes:  uint64(max(0, s.queued.bytes.Load())),
		EventStreams: uint64(s.log.Streams()), EventsMissed: s.log.Missed(),
	}
	for _, n := range t.Refusals {
		t.Refused += n
	}
	return t
}

// occurred returns the counts of the reasons that occurred.
func occurred(counts *[event.ReasonCount]atomic.Uint64) map[CloseReason]uint64 {
	found := make(map[CloseReason]uint64)
	for reason := range counts {
		if n := counts[reason].Load(); n > 0 {
			found[CloseReason(reason)] = n
		}
	}
	return found
}

// counterShards spreads a counter that every read or write adds to over cache lines, so that processors do not wait for
// each other.
const counterShards = 8

type shardedCounter [counterShards]struct {
	n atomic.Uint64
	_ [56]byte
}

func (c *shardedCounter) add(seq uint64, n int) { c[seq%counterShards].n.Add(uint64(n)) }

func (c *shardedCounter) load() uint64 {
	var sum uint64
	for i := range c {
		sum += c[i].n.Load()
	}
	return sum
}

// counters are what a server counts from its start.
type counters struct {
	received     shardedCounter
	sent         shardedCounter
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

// clientAuth says in words what is asked of clients: `off`, `request` or `require`; empty without TLS.
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

// ProcessInfo is what the process uses, whatever else runs in it.
type ProcessInfo struct {
	ResidentBytes uint64 // memory in RAM, without the kernel's socket buffers; 0 where it is not known
	HeapBytes     uint64 // of the Go heap: live objects, and dead ones that were not freed yet
	Goroutines    uint64
}

// processInfo stops nothing: it is safe to ask often.
func processInfo() ProcessInfo {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(samples)
	return ProcessInfo{ResidentBytes: residentBytes(), HeapBytes: samples[0].Value.Uint64(), Goroutines: samples[1].Value.Uint64()}
}

// residentBytes reads what Linux knows about the process; 0 on other systems.
func residentBytes() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return statmResident(string(statm), uint64(os.Getpagesize()))
}

// statmResident finds the resident pages, the second field of statm; 0 in what is not like it.
func statmResident(statm string, pageSize uint64) uint64 {
	fields := strings.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * pageSize
}
