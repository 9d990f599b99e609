package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Limits are the bounds that can be changed while a server serves; UpdateLimits does it. A new limit holds for what comes: live
// connections stay, also where there are more of them than it allows.
type Limits struct {
	// MaxConnections is the most connections, those that are still being admitted included; a new one beyond it is refused. Default 0:
	// no limit.
	// Hazard: without a limit the process can run out of descriptors, and then accepts nothing until some are free.
	MaxConnections int
	// ListenerConnections is the most connections of a listener, by its name. Default: no limit of its own. Nobody may modify the map.
	ListenerConnections map[string]int
	// ConnectionsPerIP is the most connections from one address. Default 0: no limit.
	ConnectionsPerIP int
	// ConnectionsPerIPv6Network is the most connections from one IPv6 /64 network, which is what a customer has at least (RFC 6177).
	// Default 0: no limit.
	ConnectionsPerIPv6Network int
	// AcceptRate is how many connections are admitted a second, on average. Default 0: no limit.
	AcceptRate float64
	// AcceptBurst is how many may come at once when none came for a while. Default: AcceptRate, rounded up.
	AcceptBurst int
	// AcceptRatePerIP is AcceptRate for each IPv4 address or IPv6 /64 network. Default 0: no limit.
	AcceptRatePerIP float64
	// AcceptBurstPerIP is AcceptBurst for each IPv4 address or IPv6 /64 network. Default: AcceptRatePerIP, rounded up.
	AcceptBurstPerIP int
	// ReceiveRate is how many bytes a second are read from one connection, on average: beyond it, reading waits. Default 0: no limit.
	// Hazard: one read may have 64 KiB, and is waited for afterwards; a rate far below that makes long waits.
	ReceiveRate int
	// ReceiveMessageRate is how many reads a second of one connection handlers get, on average. Default 0: no limit.
	ReceiveMessageRate int
	// HandshakeTimeout is how long a PROXY header and a TLS handshake may take together, from accept. Default 10 s.
	HandshakeTimeout time.Duration
	// MaxHandshakes is how many TLS handshakes are under way at once; others wait until HandshakeTimeout. Default 1,024.
	// Hazard: one takes about 20 KB while it lasts.
	MaxHandshakes int
	// FirstByteTimeout is how long a connection may take from Connected to its first byte. Default 0: for ever.
	FirstByteTimeout time.Duration
	// Allow are the networks from which connections are admitted. Default: all. Nobody may modify the slice.
	Allow []netip.Prefix
	// Deny are networks from which none is; it goes before Allow. Nobody may modify the slice.
	Deny []netip.Prefix
	// QueueBudget is how many bytes all send queues together may have. Default 0: no limit.
	// Hazard: without it, slow peers can take SendQueueLimit each.
	QueueBudget int
	// HighWater is how many bytes in a send queue pause reading from that peer. Default 64 KiB.
	// Hazard: memory for slow readers is up to this for each, plus one read of 64 KiB; verbs may add up to SendQueueLimit.
	HighWater int
	// LowWater is at how many bytes reading resumes: 1 to HighWater. Default half of HighWater.
	LowWater int
	// SendQueueLimit is how many bytes a send queue may have; a send that does not fit is dropped whole. Default 1 MiB; at
	// least HighWater. A handler's answer to bytes that were read already may exceed it by up to 128 KiB, so that back-pressure
	// never loses what was accepted.
	SendQueueLimit int
	// WriteTimeout is how long a peer may take no byte of a non-empty queue before it is closed as a slow consumer.
	// Default 30 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may neither receive nor send a byte. Default 0: for ever.
	IdleTimeout time.Duration
}

const (
	defaultHighWater        = 64 << 10
	defaultQueueLimit       = 1 << 20
	defaultWriteTimeout     = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultMaxHandshakes    = 1024
)

// withDefaults returns the limits with every default filled in.
func (l Limits) withDefaults() Limits {
	setDefault(&l.HighWater, defaultHighWater)
	setDefault(&l.LowWater, l.HighWater/2)
	setDefault(&l.SendQueueLimit, max(defaultQueueLimit, l.HighWater))
	setDefault(&l.WriteTimeout, defaultWriteTimeout)
	setDefault(&l.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&l.MaxHandshakes, defaultMaxHandshakes)
	return l
}

// LimitError says that a limit is out of its bounds.
type LimitError struct {
	Field string // as sockgate.v1.Limits has it, for example `max_connections`
	Text  string // what was given, and what was expected
}

// Error returns the text.
func (e *LimitError) Error() string { return e.Text }

// validate checks limits with every default filled in.
func (l *Limits) validate() error {
	for _, check := range []struct {
		ok    bool
		field string
		text  string
	}{
		{l.MaxConnections >= 0, "max_connections", fmt.Sprintf("max connections %d: expected 0 (no limit) or more", l.MaxConnections)},
		{l.HighWater >= 1, "high_water", fmt.Sprintf("high water %d: expected at least 1 byte", l.HighWater)},
		{l.LowWater >= 0 && l.LowWater <= l.HighWater, "low_water", fmt.Sprintf("low water %d: expected 0 to the high water, %d", l.LowWater, l.HighWater)},
		{l.SendQueueLimit >= l.HighWater, "send_queue_limit", fmt.Sprintf("send queue limit %d: expected at least the high water, %d", l.SendQueueLimit, l.HighWater)},
		{l.WriteTimeout > 0, "write_timeout", fmt.Sprintf("write timeout %s: expected more than 0", l.WriteTimeout)},
		{l.IdleTimeout >= 0, "idle_timeout", fmt.Sprintf("idle timeout %s: expected 0 (off) or more", l.IdleTimeout)},
	} {
		if !check.ok {
			return &LimitError{Field: check.field, Text: check.text}
		}
	}
	return nil
}

// UpdateLimitsRequest changes limits.
type UpdateLimitsRequest struct {
	Change  func(*Limits)     // changes a copy of the limits in force; must not block
	Changes map[string]string // what is changed, by the field's name, for records
	Actor   Actor
}

// Limits returns the limits in force.
func (s *Server) Limits(context.Context) (Limits, error) { return *s.limits.Load(), nil }

// UpdateLimits changes limits, all or none, and returns those in force. The error is a *LimitError.
func (s *Server) UpdateLimits(ctx context.Context, r UpdateLimitsRequest) (Limits, error) {
	return Limits{}, errors.ErrUnsupported
}
