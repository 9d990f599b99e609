package bounds

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"
)

// Limits are the limits of a server. They have the fields of server.Limits, which documents them, in the same order,
// because one type is converted to the other.
type Limits struct {
	MaxConnections            int
	ListenerConnections       map[string]int
	ConnectionsPerIP          int
	ConnectionsPerIPv6Network int
	AcceptRate                float64
	AcceptBurst               int
	AcceptRatePerIP           float64
	AcceptBurstPerIP          int
	ReceiveRate               int
	ReceiveMessageRate        int
	HandshakeTimeout          time.Duration
	MaxHandshakes             int
	FirstByteTimeout          time.Duration
	Allow                     []netip.Prefix
	Deny                      []netip.Prefix
	QueueBudget               int
	HighWater                 int
	LowWater                  int
	SendQueueLimit            int
	WriteTimeout              time.Duration
	IdleTimeout               time.Duration
	HoldTimeout               time.Duration
	MaxHeld                   int
	AdmitTimeout              time.Duration
	HandlerWindow             int
	HandlerBudget             int
}

// NoHold is the hold timeout without waiting, because 0 means the default.
const NoHold time.Duration = -1

const (
	defaultHighWater        = 64 << 10
	defaultQueueLimit       = 1 << 20
	defaultWriteTimeout     = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultMaxHandshakes    = 1024
	defaultHoldTimeout      = 30 * time.Second
	defaultAdmitTimeout     = 10 * time.Second
	defaultHandlerWindow    = 64 << 10
)

// SetDefaults gives every field that is 0 its default.
func (l *Limits) SetDefaults() {
	l.HighWater = cmp.Or(l.HighWater, defaultHighWater)
	l.LowWater = cmp.Or(l.LowWater, l.HighWater/2)
	l.SendQueueLimit = cmp.Or(l.SendQueueLimit, max(defaultQueueLimit, l.HighWater))
	l.WriteTimeout = cmp.Or(l.WriteTimeout, defaultWriteTimeout)
	l.HandshakeTimeout = cmp.Or(l.HandshakeTimeout, defaultHandshakeTimeout)
	l.MaxHandshakes = cmp.Or(l.MaxHandshakes, defaultMaxHandshakes)
	l.HoldTimeout = cmp.Or(l.HoldTimeout, defaultHoldTimeout)
	l.AdmitTimeout = cmp.Or(l.AdmitTimeout, defaultAdmitTimeout)
	l.HandlerWindow = cmp.Or(l.HandlerWindow, defaultHandlerWindow)
	l.AcceptBurst = cmp.Or(l.AcceptBurst, burstOf(l.AcceptRate))
	l.AcceptBurstPerIP = cmp.Or(l.AcceptBurstPerIP, burstOf(l.AcceptRatePerIP))
}

// Clone returns a copy with a map and slices of its own.
func (l *Limits) Clone() Limits {
	c := *l
	c.ListenerConnections = maps.Clone(l.ListenerConnections)
	c.Allow, c.Deny = slices.Clone(l.Allow), slices.Clone(l.Deny)
	return c
}

// burstOf returns the default burst of a rate; 0 without a rate, and for a rate that is out of its bounds.
func burstOf(rate float64) int {
	if rate > 0 && rate <= maxAcceptRate {
		return int(math.Ceil(rate))
	}
	return 0
}

// Follow adapts a limit that depends on another: it follows when the other has changed and it has not. Old are the
// limits before the change.
func (l *Limits) Follow(old *Limits) {
	if l.HighWater != old.HighWater && l.LowWater == old.LowWater && l.LowWater > l.HighWater {
		l.LowWater = l.HighWater / 2
	}
	followRate(&l.AcceptBurst, l.AcceptRate, old.AcceptBurst, old.AcceptRate)
	followRate(&l.AcceptBurstPerIP, l.AcceptRatePerIP, old.AcceptBurstPerIP, old.AcceptRatePerIP)
}

// followRate gives a burst the default of its new rate, if the burst was the default of the old rate and has not
// changed.
func followRate(burst *int, rate float64, oldBurst int, oldRate float64) {
	if rate != oldRate && *burst == oldBurst && oldBurst == burstOf(oldRate) {
		*burst = burstOf(rate)
	}
}
