// Package bounds fills in the defaults of limits and checks that each limit is within its bounds.
package bounds

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

const (
	// maxCount is the largest limit on connections: registry.Places has no room for more.
	maxCount = math.MaxInt32
	// maxAcceptRate is the highest accept rate, in connections a second, and the largest burst.
	maxAcceptRate = 1_000_000
	// maxNetworks is the most networks in a list.
	maxNetworks = 10_000
	// The bounds of the handshake timeout.
	minHandshakeTimeout = time.Millisecond
	maxHandshakeTimeout = time.Hour
	// The bounds of the times of remote handlers.
	maxHoldTimeout  = time.Hour
	minAdmitTimeout = time.Millisecond
	maxAdmitTimeout = time.Hour
	// The bounds of the handler window.
	minHandlerWindow = 4 << 10
	maxHandlerWindow = 1 << 20
)

// Error says that a limit is out of its bounds.
type Error struct {
	Field string // the field's name in sockgate.v1.Limits, for example `max_connections`
	Text  string // the given value and the expected ones
}

// Error returns Text.
func (e *Error) Error() string { return e.Text }

// limitError returns an Error about a field. Its text begins with the field's name in words.
func limitError(field, format string, values ...any) error {
	return &Error{Field: field, Text: strings.ReplaceAll(field, "_", " ") + " " + fmt.Sprintf(format, values...)}
}

// Validate checks limits whose defaults SetDefaults has filled in. ListenerConnections may name only the given
// listeners. The error is an *Error about the first field that is out of its bounds.
func (l *Limits) Validate(listeners []string) error {
	for _, check := range []func() error{l.validateNumbers, l.validateTimes, l.validateRates, l.validateNetworks} {
		if err := check(); err != nil {
			return err
		}
	}
	return l.validateListeners(listeners)
}

// validateNumbers checks the numbers of connections and bytes.
func (l *Limits) validateNumbers() error {
	for _, n := range []struct {
		field              string
		value, least, most int
	}{
		{"max_connections", l.MaxConnections, 0, maxCount},
		{"connections_per_ip", l.ConnectionsPerIP, 0, maxCount},
		{"connections_per_ipv6_network", l.ConnectionsPerIPv6Network, 0, maxCount},
		{"max_handshakes", l.MaxHandshakes, 1, maxCount},
		{"receive_rate", l.ReceiveRate, 0, math.MaxInt},
		{"receive_message_rate", l.ReceiveMessageRate, 0, math.MaxInt},
		{"queue_budget", l.QueueBudget, 0, math.MaxInt},
		{"high_water", l.HighWater, 1, math.MaxInt},
		{"low_water", l.LowWater, 0, l.HighWater},
		{"send_queue_limit", l.SendQueueLimit, l.HighWater, math.MaxInt},
		{"max_held", l.MaxHeld, 0, maxCount},
		{"handler_window", l.HandlerWindow, minHandlerWindow, maxHandlerWindow},
		{"handler_budget", l.HandlerBudget, 0, math.MaxInt},
	} {
		switch {
		case n.value < n.least && n.most == math.MaxInt:
			return limitError(n.field, "%d: expected at least %d", n.value, n.least)
		case n.value < n.least || n.value > n.most:
			return limitError(n.field, "%d: expected %d to %d", n.value, n.least, n.most)
		}
	}
	return nil
}

func (l *Limits) validateTimes() error {
	for _, t := range []struct {
		field              string
		value, least, most time.Duration
	}{
		{"handshake_timeout", l.HandshakeTimeout, minHandshakeTimeout, maxHandshakeTimeout},
		{"first_byte_timeout", l.FirstByteTimeout, 0, math.MaxInt64},
		{"write_timeout", l.WriteTimeout, 1, math.MaxInt64},
		{"idle_timeout", l.IdleTimeout, 0, math.MaxInt64},
		{"hold_timeout", l.held(), 0, maxHoldTimeout},
		{"admit_timeout", l.AdmitTimeout, minAdmitTimeout, maxAdmitTimeout},
	} {
		switch {
		case t.value < t.least && t.most == math.MaxInt64:
			return limitError(t.field, "%s: expected at least %s", t.value, t.least)
		case t.value < t.least || t.value > t.most:
			return limitError(t.field, "%s: expected %s to %s", t.value, t.least, t.most)
		}
	}
	return nil
}

// held returns the hold timeout, with 0 for NoHold, as the contract has it.
func (l *Limits) held() time.Duration {
	if l.HoldTimeout == NoHold {
		return 0
	}
	return l.HoldTimeout
}

func (l *Limits) validateRates() error {
	for _, r := range []struct {
		field, burstField string
		rate              float64
		burst             int
	}{
		{"accept_rate", "accept_burst", l.AcceptRate, l.AcceptBurst},
		{"accept_rate_per_ip", "accept_burst_per_ip", l.AcceptRatePerIP, l.AcceptBurstPerIP},
	} {
		least := 0
		if r.rate > 0 {
			least = 1
		}
		switch {
		case !(r.rate >= 0 && r.rate <= maxAcceptRate): // NaN fails too
			return limitError(r.field, "%g: expected 0 (no limit) to %d connections a second", r.rate, maxAcceptRate)
		case r.burst < least || r.burst > maxAcceptRate:
			return limitError(r.burstField, "%d: expected %d to %d connections", r.burst, least, maxAcceptRate)
		}
	}
	return nil
}

func (l *Limits) validateNetworks() error {
	for _, list := range []struct {
		field    string
		networks []netip.Prefix
	}{{"allow", l.Allow}, {"deny", l.Deny}} {
		if n := len(list.networks); n > maxNetworks {
			return limitError(list.field, "has %d networks: expected at most %d", n, maxNetworks)
		}
		if text := ipnet.Invalid(list.networks); text != "" {
			return limitError(list.field, "%s", text)
		}
	}
	return nil
}

// validateListeners checks the limits of single listeners, each of which must exist.
func (l *Limits) validateListeners(names []string) error {
	for _, name := range slices.Sorted(maps.Keys(l.ListenerConnections)) {
		n := l.ListenerConnections[name]
		switch {
		case !slices.Contains(names, name):
			return limitError("listener_connections", "of %.100q: there is no such listener; expected one of %q", name, names)
		case n < 0 || n > maxCount:
			return limitError("listener_connections", "of %.100q: %d: expected 0 (no limit) to %d", name, n, maxCount)
		}
	}
	return nil
}
