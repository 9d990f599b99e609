package server

import (
	"net/netip"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/bounds"
)

// Limits are bounds that UpdateLimits can change while a server serves. A new limit holds at once. Live connections
// stay, even when there are more of them than it allows. A zero field means its default.
type Limits struct {
	// MaxConnections is the most connections of the server, pending ones included. A connection beyond it is refused,
	// unless a pending one can give way: it is the oldest of the address that has the most, and older than 500 ms. It is
	// at most 2,147,483,647, as are all limits on numbers of connections. Default 0: no limit. Hazard: without a limit the
	// process can run out of descriptors, and then accepts nothing until some are free.
	MaxConnections int
	// ListenerConnections is the most connections of a listener, pending ones included, by the listener's name. Each name
	// must be in Config.Listeners; 0 sets no limit for it. Default: no listener has a limit of its own. The map must not
	// be modified.
	ListenerConnections map[string]int
	// ConnectionsPerIP is the most connections from one address, pending ones included. Default 0: no limit. Hazard: many
	// customers may share an address (carrier-grade NAT).
	ConnectionsPerIP int
	// ConnectionsPerIPv6Network is the most connections from one IPv6 /64 network. A customer has at least such a network
	// (RFC 6177). Default 0: no limit.
	ConnectionsPerIPv6Network int
	// AcceptRate is how many connections a second are admitted on average: 0 to 1,000,000. A change of it begins with a
	// full burst. Default 0: no limit.
	AcceptRate float64
	// AcceptBurst is how many connections may come at once when none came for a while: 1 to 1,000,000, or 0 without
	// AcceptRate. Default: AcceptRate, rounded up.
	AcceptBurst int
	// AcceptRatePerIP is AcceptRate for each IPv4 address or IPv6 /64 network. Default 0: no limit. Hazard: the server
	// keeps at most 100,000 of them apart, in about 20 MB. When more come, it forgets addresses that used little of their
	// rate lately.
	AcceptRatePerIP float64
	// AcceptBurstPerIP is AcceptBurst for each IPv4 address or IPv6 /64 network. Default: AcceptRatePerIP, rounded up.
	AcceptBurstPerIP int
	// ReceiveRate is how many bytes a second are read from one connection on average: 0 or more. Reading waits when it is
	// exceeded. Default 0: no limit. Hazard: one read may have 64 KiB, and reading waits afterwards, so a rate far below
	// that makes long waits.
	ReceiveRate int
	// ReceiveMessageRate is how many reads a second of one connection reach the handler on average, or frames where the
	// listener cuts them: 0 or more. Default 0: no limit.
	ReceiveMessageRate int
	// HandshakeTimeout bounds the time from accept to the end of the PROXY header and the TLS handshake together: 1 ms to
	// 1 h. Default 10 s.
	HandshakeTimeout time.Duration
	// MaxHandshakes is the most TLS handshakes under way, at least 1. An address, or IPv6 /64 network, may have its share:
	// MaxHandshakes/(addresses with one + 1). At its share, or when all are taken, the oldest handshake that waits for its
	// peer gives way, of the address that has the most, once it is older than 500 ms. Until then others wait for their
	// turn, within HandshakeTimeout. Default 1,024. Hazard: a handshake takes about 20 KB while it lasts.
	MaxHandshakes int
	// FirstByteTimeout is the longest time from Connected to a connection's first byte: 0 or more. Default 0: no limit.
	FirstByteTimeout time.Duration
	// Allow are the only networks whose connections are admitted, at most 10,000. Default: all are. It does not apply to
	// peers on a unix socket. The slice must not be modified.
	Allow []netip.Prefix
	// Deny are networks whose connections are refused, at most 10,000. It goes before Allow. Default: none. The slice must
	// not be modified.
	Deny []netip.Prefix
	// QueueBudget is the most bytes in all send queues together: 0 or more. Default 0: no limit. Hazard: without it, each
	// slow peer can take SendQueueLimit.
	QueueBudget int
	// HighWater is the number of bytes in a send queue that pauses reading from its peer: at least 1. Default 64 KiB.
	// Hazard: a slow reader takes up to this much memory plus one read of 64 KiB, and verbs may add up to SendQueueLimit.
	HighWater int
	// LowWater is the number of bytes in a send queue that resumes reading: 0 to HighWater. Default: half of HighWater.
	LowWater int
	// SendQueueLimit is the most bytes of a send queue, at least HighWater. A send that does not fit is dropped whole.
	// Default 1 MiB. A handler's answer to bytes that were read already may exceed it by up to 128 KiB, so that
	// back-pressure never loses accepted bytes.
	SendQueueLimit int
	// WriteTimeout is how long a peer with a non-empty queue may take no byte. After it the peer is closed as a slow
	// consumer. It must be more than 0. Default 30 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may neither receive nor send a byte: 0 or more. Default 0: no limit.
	IdleTimeout time.Duration
	// HoldTimeout is how long a connection may wait for an instance of its remote handler: up to 1 h, or NoHold. Default
	// 30 s.
	HoldTimeout time.Duration
	// MaxHeld is the most connections that wait for an instance at once, of all remote handlers. Default 0: no limit.
	MaxHeld int
	// AdmitTimeout is how long a remote handler may take to send the first command for a new connection: 1 ms to 1 h.
	// Default 10 s.
	AdmitTimeout time.Duration
	// HandlerWindow is the number of unacknowledged bytes of a connection that pauses reading from its peer: 4 KiB to
	// 1 MiB. Default 64 KiB.
	HandlerWindow int
	// HandlerBudget is the most bytes of all connections together that remote handlers have not acknowledged, and of
	// frames that are not complete: 0 or more. Default 0: no limit. Hazard: without it, each connection can take
	// HandlerWindow and a frame.
	HandlerBudget int
}

// NoHold is the HoldTimeout of a server whose connections do not wait for an instance, because 0 means the default. It
// is 0 in sockgate.v1.Limits.
const NoHold = bounds.NoHold

// LimitError says that a limit is out of its bounds. Field is the limit's name in sockgate.v1.Limits, for example
// `max_connections`. Text has the given value and the expected ones.
type LimitError = bounds.Error

// bounds are the limits for filling in their defaults and checking them, at the same place in memory. The fields are
// declared twice because an alias of bounds.Limits would hide them and their comments from the package's page. The
// compiler refuses the conversion when the two differ in a name, a type or the order.
func (l *Limits) bounds() *bounds.Limits { return (*bounds.Limits)(l) }

// Limits returns the limits in force, with every default filled in. It does not block. The map and slices in them must
// not be modified.
func (s *Server) Limits() Limits { return *s.limits.Load() }

// rules returns the limits on addresses.
func (l *Limits) rules() *admission.Rules {
	return &admission.Rules{Allow: l.Allow, Deny: l.Deny, ConnectionsPerIP: l.ConnectionsPerIP,
		ConnectionsPerIPv6Network: l.ConnectionsPerIPv6Network, AcceptRate: l.AcceptRate, AcceptBurst: l.AcceptBurst,
		AcceptRatePerIP: l.AcceptRatePerIP, AcceptBurstPerIP: l.AcceptBurstPerIP}
}
