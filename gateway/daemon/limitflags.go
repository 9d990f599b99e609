package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/server"
)

// limitFlags are the flags that set server.Limits. ctl can change most limits while the gateway runs.
type limitFlags struct {
	server.Limits

	queueBudget   budget
	handlerBudget budget
	memory        memoryLimit // settled at the start
	set           *pflag.FlagSet
	checks        []func() error // one for each flag that has a bound
}

// flags registers a flag for each limit. A new limit needs one statement here.
func (l *limitFlags) flags(f *pflag.FlagSet) {
	l.set = f
	l.HighWater, l.SendQueueLimit = 64<<10, 1<<20
	l.HandshakeTimeout, l.MaxHandshakes, l.WriteTimeout = 10*time.Second, 1024, 30*time.Second
	l.HoldTimeout, l.AdmitTimeout, l.HandlerWindow = 30*time.Second, 10*time.Second, 64<<10
	l.connectionFlags()
	l.admissionFlags()
	l.receiveFlags()
	l.queueFlags()
	l.handlerFlags()
}

func (l *limitFlags) connectionFlags() {
	l.count(&l.MaxConnections, "max-connections", 0, "most live connections; 0: the descriptor limit less a sixteenth "+
		"(64 to 1,024)")
	l.count(&l.ConnectionsPerIP, "max-connections-per-ip", 0, "most connections from one address; 0: no limit")
	l.count(&l.ConnectionsPerIPv6Network, "max-connections-per-ipv6-network", 0,
		"most connections from one IPv6 /64 network; 0: no limit")
}

func (l *limitFlags) admissionFlags() {
	l.rate(&l.AcceptRate, "accept-rate", "connections that are admitted a second, on average; 0: no limit")
	l.count(&l.AcceptBurst, "accept-burst", 0, "connections that may come at once; 0: as many as --accept-rate")
	l.rate(&l.AcceptRatePerIP, "accept-rate-per-ip",
		"--accept-rate for each IPv4 address or IPv6 /64 network; 0: no limit")
	l.count(&l.AcceptBurstPerIP, "accept-burst-per-ip", 0, "--accept-burst for each; 0: as many as --accept-rate-per-ip")
	l.networks(&l.Allow, "allow", "network (CIDR) from which connections are admitted; may be given again; none: all")
	l.networks(&l.Deny, "deny", "network (CIDR) from which no connection is admitted, even if --allow has it; "+
		"may be given again")
	l.period(&l.HandshakeTimeout, "handshake-timeout", time.Millisecond,
		"how long a PROXY header and a TLS handshake may take together")
	l.count(&l.MaxHandshakes, "max-handshakes", 1, "most TLS handshakes under way at once, shared between addresses")
}

func (l *limitFlags) receiveFlags() {
	l.period(&l.FirstByteTimeout, "first-byte-timeout", 0,
		"how long a new connection may take to send its first byte; 0: for ever")
	l.bytes(&l.ReceiveRate, "receive-rate", 0,
		"bytes a second that are read from one connection, on average, for example 64KiB; 0: no limit")
	l.count(&l.ReceiveMessageRate, "receive-message-rate", 0, "reads a second of one connection, on average; 0: no limit")
	l.period(&l.IdleTimeout, "idle-timeout", 0, "how long a connection may neither receive nor send; 0: for ever")
}

func (l *limitFlags) queueFlags() {
	l.bytes(&l.HighWater, "high-water", 1,
		"send-queue bytes above which reading from that peer pauses, for example 64KiB")
	l.bytes(&l.SendQueueLimit, "send-queue-limit", 1, "send-queue bytes beyond which a send is dropped, for example 1MiB")
	l.set.Var(&l.queueBudget, "queue-budget", "most bytes of all send queues together, for example 1GiB; auto: a quarter "+
		"of the memory limit, at least 64MiB; 0 or off: no limit")
	l.period(&l.WriteTimeout, "write-timeout", 1, "how long a peer may accept no byte of a non-empty send queue")
}

func (l *limitFlags) handlerFlags() {
	l.period(&l.HoldTimeout, "hold-timeout", 0,
		"how long a connection may wait for an instance of its remote handler; 0: not at all")
	l.count(&l.MaxHeld, "max-held", 0, "most connections that wait for an instance at once; 0: no limit")
	l.period(&l.AdmitTimeout, "admit-timeout", time.Millisecond,
		"how long a remote handler may take to send the first command for a new connection")
	l.bytes(&l.HandlerWindow, "handler-window", 4<<10,
		"unacknowledged bytes above which reading from that peer pauses, for example 64KiB")
	l.set.Var(&l.handlerBudget, "handler-budget", "most unacknowledged bytes of all connections together, for example "+
		"512MiB; auto: an eighth of the memory limit, at least 16MiB; 0 or off: no limit")
}

// count registers a flag for a number of things.
func (l *limitFlags) count(value *int, name string, least int, usage string) {
	l.set.IntVar(value, name, *value, usage)
	atLeast(l, value, name, least)
}

// bytes registers a flag for a number of bytes.
func (l *limitFlags) bytes(value *int, name string, least int, usage string) {
	l.set.Var((*byteSize)(value), name, usage)
	atLeast(l, value, name, least)
}

// rate registers a flag for a number a second.
func (l *limitFlags) rate(value *float64, name, usage string) {
	l.set.Float64Var(value, name, *value, usage)
	atLeast(l, value, name, 0)
}

// period registers a flag for a time.
func (l *limitFlags) period(value *time.Duration, name string, least time.Duration, usage string) {
	l.set.DurationVar(value, name, *value, usage)
	atLeast(l, value, name, least)
}

// networks registers a flag for a list of networks.
func (l *limitFlags) networks(value *[]netip.Prefix, name, usage string) {
	l.set.Var((*prefixes)(value), name, usage)
}

// atLeast has validate refuse less. The server would take its default in place of a 0 where the least is more, and
// would not name the flag.
func atLeast[T int | float64 | time.Duration](l *limitFlags, value *T, name string, least T) {
	l.checks = append(l.checks, func() error {
		if v := *value; !(v >= least) || math.IsInf(float64(v), 0) { // refuses NaN too
			return fmt.Errorf("--%s %v: expected %s", name, v, leastText(least))
		}
		return nil
	})
}

// leastText tells a least value.
func leastText[T int | float64 | time.Duration](least T) string {
	switch any(least) {
	case 0, 0.0, time.Duration(0):
		return "0 or more"
	case time.Duration(1):
		return "more than 0"
	default:
		return fmt.Sprintf("at least %v", least)
	}
}

// validate checks the limits that the server does not check, or whose flags its errors would not name.
func (l *limitFlags) validate() error {
	for _, check := range l.checks {
		if err := check(); err != nil {
			return err
		}
	}
	if l.AcceptBurst > 0 && l.AcceptRate == 0 || l.AcceptBurstPerIP > 0 && l.AcceptRatePerIP == 0 {
		return errors.New("--accept-burst does nothing without --accept-rate, nor --accept-burst-per-ip without " +
			"--accept-rate-per-ip; give both, or neither")
	}
	if l.SendQueueLimit < l.HighWater {
		return fmt.Errorf("--send-queue-limit %s: expected at least --high-water, %s", (*byteSize)(&l.SendQueueLimit),
			(*byteSize)(&l.HighWater))
	}
	return nil
}

// limits returns the server's limits, including the connection limits of listeners by name.
func (l *limitFlags) limits(listeners map[string]int) server.Limits {
	all := l.Limits
	all.ListenerConnections = listeners
	all.QueueBudget = l.queueBudget.within(l.memory, queueShare)
	all.HandlerBudget = l.handlerBudget.within(l.memory, handlerShare)
	all.HoldTimeout = cmp.Or(all.HoldTimeout, server.NoHold)
	all.MaxConnections = cmp.Or(all.MaxConnections, connectionDescriptors())
	return all
}
