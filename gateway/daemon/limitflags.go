package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/server"
)

// limitFlags are the flags for server.Limits. ctl can change most of them while the gateway runs.
type limitFlags struct {
	maxConnections     int
	perIP              int
	perIPv6Network     int
	acceptRate         float64
	acceptBurst        int
	acceptRatePerIP    float64
	acceptBurstPerIP   int
	allow              prefixes
	deny               prefixes
	handshakeTimeout   time.Duration
	maxHandshakes      int
	firstByteTimeout   time.Duration
	receiveRate        byteSize
	receiveMessageRate int
	idleTimeout        time.Duration
	highWater          byteSize
	sendQueueLimit     byteSize
	queueBudget        byteSize
	writeTimeout       time.Duration
}

func (l *limitFlags) flags(f *pflag.FlagSet) {
	l.highWater, l.sendQueueLimit = 64<<10, 1<<20
	f.IntVar(&l.maxConnections, "max-connections", 0, "most live connections; 0: the descriptor limit less a sixteenth "+
		"(64 to 1,024)")
	f.IntVar(&l.perIP, "max-connections-per-ip", 0, "most connections from one address; 0: no limit")
	f.IntVar(&l.perIPv6Network, "max-connections-per-ipv6-network", 0,
		"most connections from one IPv6 /64 network; 0: no limit")
	f.Float64Var(&l.acceptRate, "accept-rate", 0, "connections admitted a second, on average; 0: no limit")
	f.IntVar(&l.acceptBurst, "accept-burst", 0, "how many may come at once; 0: as many as --accept-rate")
	f.Float64Var(&l.acceptRatePerIP, "accept-rate-per-ip", 0,
		"--accept-rate for each IPv4 address or IPv6 /64 network; 0: no limit")
	f.IntVar(&l.acceptBurstPerIP, "accept-burst-per-ip", 0, "--accept-burst for each; 0: as many as --accept-rate-per-ip")
	f.Var(&l.allow, "allow", "network (CIDR) from which connections are admitted; may be given again; none: all")
	f.Var(&l.deny, "deny", "network (CIDR) from which none is admitted, before --allow; may be given again")
	f.DurationVar(&l.handshakeTimeout, "handshake-timeout", 10*time.Second,
		"how long a PROXY header and a TLS handshake may take together")
	f.IntVar(&l.maxHandshakes, "max-handshakes", 1024, "TLS handshakes under way at once; others wait for their turn")
	f.DurationVar(&l.firstByteTimeout, "first-byte-timeout", 0,
		"how long a new connection may take to send its first byte; 0: for ever")
	f.Var(&l.receiveRate, "receive-rate", "bytes a second that are read from one connection, on average, for example "+
		"64KiB; 0: no limit")
	f.IntVar(&l.receiveMessageRate, "receive-message-rate", 0, "reads a second of one connection, on average; 0: no limit")
	f.DurationVar(&l.idleTimeout, "idle-timeout", 0, "how long a connection may neither receive nor send; 0: for ever")
	f.Var(&l.highWater, "high-water", "send-queue bytes above which reading from that peer pauses, for example 64KiB")
	f.Var(&l.sendQueueLimit, "send-queue-limit", "send-queue bytes beyond which a send is dropped, for example 1MiB")
	f.Var(&l.queueBudget, "queue-budget", "bytes that all send queues together may have, for example 1GiB; 0: no limit")
	f.DurationVar(&l.writeTimeout, "write-timeout", 30*time.Second,
		"how long a peer may take no byte of a non-empty send queue")
}

// validate checks limits that the server does not check, or would not name by their flags.
func (l *limitFlags) validate() error {
	if l.maxConnections < 0 {
		return fmt.Errorf("--max-connections %d: expected 0 (the descriptor limit less a sixteenth) or more",
			l.maxConnections)
	}
	for _, c := range []struct {
		name  string
		value float64
		least float64
	}{
		{"max-connections-per-ip", float64(l.perIP), 0}, {"max-connections-per-ipv6-network", float64(l.perIPv6Network), 0},
		{"accept-rate", l.acceptRate, 0}, {"accept-burst", float64(l.acceptBurst), 0},
		{"accept-rate-per-ip", l.acceptRatePerIP, 0}, {"accept-burst-per-ip", float64(l.acceptBurstPerIP), 0},
		{"receive-message-rate", float64(l.receiveMessageRate), 0}, {"max-handshakes", float64(l.maxHandshakes), 1},
		{"high-water", float64(l.highWater), 1}, {"send-queue-limit", float64(l.sendQueueLimit), 1},
	} {
		if !(c.value >= c.least) || math.IsInf(c.value, 0) { // refuses NaN too
			return fmt.Errorf("--%s %v: expected at least %v", c.name, c.value, c.least)
		}
	}
	if l.acceptBurst > 0 && l.acceptRate == 0 || l.acceptBurstPerIP > 0 && l.acceptRatePerIP == 0 {
		return errors.New("--accept-burst does nothing without --accept-rate, nor --accept-burst-per-ip without " +
			"--accept-rate-per-ip; give both, or neither")
	}
	if l.sendQueueLimit < l.highWater {
		return fmt.Errorf("--send-queue-limit %s: expected at least --high-water, %s", &l.sendQueueLimit, &l.highWater)
	}
	return l.validateTimeouts()
}

// validateTimeouts checks the durations.
func (l *limitFlags) validateTimeouts() error {
	for _, c := range []struct {
		name     string
		value    time.Duration
		least    time.Duration
		expected string
	}{
		{"handshake-timeout", l.handshakeTimeout, time.Millisecond, "at least 1ms"},
		{"first-byte-timeout", l.firstByteTimeout, 0, "0 (for ever) or more"},
		{"idle-timeout", l.idleTimeout, 0, "0 (for ever) or more"},
		{"write-timeout", l.writeTimeout, 1, "more than 0"},
	} {
		if c.value < c.least {
			return fmt.Errorf("--%s %s: expected %s", c.name, c.value, c.expected)
		}
	}
	return nil
}

// limits returns the server's limits, including the connection limits of listeners by name.
func (l *limitFlags) limits(listeners map[string]int) server.Limits {
	return server.Limits{
		MaxConnections:            cmp.Or(l.maxConnections, descriptorRoom()),
		ListenerConnections:       listeners,
		ConnectionsPerIP:          l.perIP,
		ConnectionsPerIPv6Network: l.perIPv6Network,
		AcceptRate:                l.acceptRate,
		AcceptBurst:               l.acceptBurst,
		AcceptRatePerIP:           l.acceptRatePerIP,
		AcceptBurstPerIP:          l.acceptBurstPerIP,
		ReceiveRate:               int(l.receiveRate),
		ReceiveMessageRate:        l.receiveMessageRate,
		HandshakeTimeout:          l.handshakeTimeout,
		MaxHandshakes:             l.maxHandshakes,
		FirstByteTimeout:          l.firstByteTimeout,
		Allow:                     l.allow,
		Deny:                      l.deny,
		QueueBudget:               int(l.queueBudget),
		HighWater:                 int(l.highWater),
		SendQueueLimit:            int(l.sendQueueLimit),
		WriteTimeout:              l.writeTimeout,
		IdleTimeout:               l.idleTimeout,
	}
}
