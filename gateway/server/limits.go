package server

import (
	"context"
	"net/netip"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/bounds"
)

// Limits are the bounds that UpdateLimits can change while a server serves. A new limit holds at once. Live connections
// stay, also where there are more of them than it allows. A zero field is its default.
type Limits struct {
	// MaxConnections is the most connections, those that are still being admitted included; a new one beyond it is
	// refused. At most 2,147,483,647, as all numbers of connections here. Default 0: no limit. Hazard: without a limit
	// the process can run out of descriptors, and then accepts nothing until some are free.
	MaxConnections int
	// ListenerConnections is the most connections of a listener, by its name, which must be one of Config.Listeners; 0:
	// no limit of its own. Default: none has one. Nobody may modify the map.
	ListenerConnections map[string]int
	// ConnectionsPerIP is the most connections from one address, those that are still being admitted included. Default
	// 0: no limit. Hazard: many customers may share an address (carrier-grade NAT).
	ConnectionsPerIP int
	// ConnectionsPerIPv6Network is the most connections from one IPv6 /64 network, which is what a customer has at
	// least (RFC 6177). Default 0: no limit.
	ConnectionsPerIPv6Network int
	// AcceptRate is how many connections are admitted a second, on average: 0 to 1,000,000. A change begins with a full
	// burst. Default 0: no limit.
	AcceptRate float64
	// AcceptBurst is how many may come at once when none came for a while: 1 to 1,000,000, or 0 without AcceptRate.
	// Default: AcceptRate, rounded up.
	AcceptBurst int
	// AcceptRatePerIP is AcceptRate for each IPv4 address or IPv6 /64 network. Default 0: no limit. Hazard: 100,000 of
	// them are kept apart, in about 20 MB. When more come, those that used least of theirs lately are forgotten first.
	AcceptRatePerIP float64
	// AcceptBurstPerIP is AcceptBurst for each IPv4 address or IPv6 /64 network. Default: AcceptRatePerIP, rounded up.
	AcceptBurstPerIP int
	// ReceiveRate is how many bytes a second are read from one connection, on average: beyond it, reading waits. 0 or
	// more. Default 0: no limit. Hazard: one read may have 64 KiB, and is waited for afterwards; a rate far below that
	// makes long waits.
	ReceiveRate int
	// ReceiveMessageRate is how many reads a second of one connection handlers get, on average: 0 or more. Default 0:
	// no limit.
	ReceiveMessageRate int
	// HandshakeTimeout is how long a PROXY header and a TLS handshake may take together, from accept: 1 ms to 1 h.
	// Default 10 s.
	HandshakeTimeout time.Duration
	// MaxHandshakes is how many TLS handshakes are under way at once, at least 1; others wait until HandshakeTimeout.
	// Default 1,024. Hazard: one takes about 20 KB while it lasts.
	MaxHandshakes int
	// FirstByteTimeout is how long a connection may take from Connected to its first byte: 0 or more. Default 0: for
	// ever.
	FirstByteTimeout time.Duration
	// Allow are the networks whose connections are admitted, at most 10,000. Default: all. A unix socket's peers are in no
	// network, and are admitted. Nobody may modify the slice.
	Allow []netip.Prefix
	// Deny are networks whose connections are refused, at most 10,000. It goes before Allow. Default: none. Nobody may
	// modify the slice.
	Deny []netip.Prefix
	// QueueBudget is how many bytes all send queues together may have: 0 or more. Default 0: no limit.
	// Hazard: without it, slow peers can take SendQueueLimit each.
	QueueBudget int
	// HighWater is how many bytes in a send queue pause reading from that peer: at least 1. Default 64 KiB. Hazard:
	// memory for slow readers is up to this for each, plus one read of 64 KiB; verbs may add up to SendQueueLimit.
	HighWater int
	// LowWater is at how many bytes reading resumes: 0 to HighWater. Default half of HighWater.
	LowWater int
	// SendQueueLimit is how many bytes a send queue may have; a send that does not fit is dropped whole. Default 1 MiB;
	// at least HighWater. A handler's answer to bytes that were read already may exceed it by up to 128 KiB, so that
	// back-pressure never loses what was accepted.
	SendQueueLimit int
	// WriteTimeout is how long a peer may take no byte of a non-empty queue before it is closed as a slow consumer.
	// More than 0. Default 30 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may neither receive nor send a byte: 0 or more. Default 0: for ever.
	IdleTimeout time.Duration
}

// LimitError says that a limit is out of its bounds: Field is the limit as sockgate.v1.Limits has it, for example
// `max_connections`, and Text is what was given and what was expected.
type LimitError = bounds.Error

// bounds are the limits for filling in their defaults and checking them, at the same place in memory.
func (l *Limits) bounds() *bounds.Limits { return (*bounds.Limits)(l) }

// Limits returns the limits in force. The map and slices in them must not be modified. The error is always nil.
func (s *Server) Limits(context.Context) (Limits, error) { return *s.limits.Load(), nil }

// rules are the limits of addresses.
func (l *Limits) rules() *admission.Rules {
	return &admission.Rules{Allow: l.Allow, Deny: l.Deny, ConnectionsPerIP: l.ConnectionsPerIP,
		ConnectionsPerIPv6Network: l.ConnectionsPerIPv6Network, AcceptRate: l.AcceptRate, AcceptBurst: l.AcceptBurst,
		AcceptRatePerIP: l.AcceptRatePerIP, AcceptBurstPerIP: l.AcceptBurstPerIP}
}
