package server

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/transport"
)

// Engines are the names of the engines that this system has, the default first: `epoll` on Linux, and `net`.
func Engines() []string { return slices.Clone(transport.Names) }

// Config says how a server runs. The zero value of every field but Listeners and Handler is its default.
type Config struct {
	// Node is the server's name, unique in a fleet: [a-z0-9-]{1,32}. Default: the host's name, made to fit.
	// Hazard: two nodes of one name make IDs that cannot be told apart.
	Node string
	// Listeners are the data-plane addresses; at least one.
	Listeners []ListenerConfig
	// Handler serves the listeners that have none of their own.
	Handler Handler

	// MaxConnections is the most live connections; a new one beyond it is closed at once. Default 0: no limit.
	// Hazard: without a limit the process can run out of descriptors, and then accepts nothing until some are free.
	MaxConnections int
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
	// IdleAction is what happens then. Default IdleClose.
	IdleAction IdleAction
	// CloseTimeout is how long Conn.Close waits for queued bytes to reach the kernel and for the peer to finish. Default 5 s.
	CloseTimeout time.Duration
	// DrainTimeout is the grace period of a drain for which none is named. Default 30 s.
	DrainTimeout time.Duration
	// EventLogSize is how many events are kept, rounded up to a multiple of 256. Default 65,536; at most 16,777,216.
	// Hazard: an event takes about 100 bytes; one of a connection with labels, or of a verb with a filter or IDs, up to 12 KiB.
	EventLogSize int
	// Engine moves the bytes: one of Engines. Default: the first of them.
	Engine string
	// OnDrain, when it is not nil, is called once when a drain begins, before the listeners close.
	OnDrain func()
	// Logger gets what operators should read. Default: none.
	// Hazard: what serves connections writes to it, though with none of the server's locks held; a logger that blocks holds them up.
	Logger hclog.Logger
	// Version is what Gateway reports. Default "devel".
	Version string
}

// ListenerConfig is one data-plane address.
type ListenerConfig struct {
	// Name is what connections and events call it; unique in a server. Default: Address as given.
	Name string
	// Address is `host:port` (an empty host means every address, port 0 a free one) or `unix:///path`.
	Address string
	// Handler serves its connections. Default: Config.Handler.
	Handler Handler
}

// IdleAction is what happens to an idle connection.
type IdleAction int

// The idle actions.
const (
	IdleClose  IdleAction = iota // an IDLE_TIMEOUT event, and the connection is closed
	IdleNotify                   // the event only, once for each idle period
)

// String returns the action's name as flags have it.
func (a IdleAction) String() string {
	if a == IdleNotify {
		return "notify"
	}
	return "close"
}

const (
	defaultHighWater    = 64 << 10
	defaultQueueLimit   = 1 << 20
	defaultWriteTimeout = 30 * time.Second
	defaultCloseTimeout = 5 * time.Second
	defaultDrainTimeout = 30 * time.Second
	defaultEventLogSize = 65_536
	maxEventLogSize     = 1 << 24
	// handlerReserve is by how much a handler's answer may exceed the queue's limit: one read, and as much again for what the
	// handler adds.
	handlerReserve = 128 << 10
)

// withDefaults returns the configuration with every default filled in, or an error that names the field.
func (c Config) withDefaults() (Config, error) {
	if c.Node == "" {
		c.Node = hostNode()
	}
	setDefault(&c.HighWater, defaultHighWater)
	setDefault(&c.LowWater, c.HighWater/2)
	setDefault(&c.SendQueueLimit, max(defaultQueueLimit, c.HighWater))
	setDefault(&c.EventLogSize, defaultEventLogSize)
	setDefault(&c.WriteTimeout, defaultWriteTimeout)
	setDefault(&c.CloseTimeout, defaultCloseTimeout)
	setDefault(&c.DrainTimeout, defaultDrainTimeout)
	setDefault(&c.Version, "devel")
	setDefault(&c.Engine, transport.Names[0])
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Listeners = append([]ListenerConfig(nil), c.Listeners...)
	for i := range c.Listeners {
		setDefault(&c.Listeners[i].Name, c.Listeners[i].Address)
		if c.Listeners[i].Handler == nil {
			c.Listeners[i].Handler = c.Handler
		}
	}
	return c, c.validate()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) validate() error {
	if !event.ValidNode(c.Node) {
		return fmt.Errorf("node name %.100q: expected 1 to 32 of a-z, 0-9 and -", c.Node)
	}
	for _, check := range []struct {
		ok   bool
		text string
	}{
		{c.MaxConnections >= 0, fmt.Sprintf("max connections %d: expected 0 (no limit) or more", c.MaxConnections)},
		{c.HighWater >= 1, fmt.Sprintf("high water %d: expected at least 1 byte", c.HighWater)},
		{c.LowWater >= 0 && c.LowWater <= c.HighWater, fmt.Sprintf("low water %d: expected 0 to the high water, %d", c.LowWater, c.HighWater)},
		{c.SendQueueLimit >= c.HighWater, fmt.Sprintf("send queue limit %d: expected at least the high water, %d", c.SendQueueLimit, c.HighWater)},
		{c.WriteTimeout > 0, fmt.Sprintf("write timeout %s: expected more than 0", c.WriteTimeout)},
		{c.CloseTimeout > 0, fmt.Sprintf("close timeout %s: expected more than 0", c.CloseTimeout)},
		{c.DrainTimeout > 0, fmt.Sprintf("drain timeout %s: expected more than 0", c.DrainTimeout)},
		{c.IdleTimeout >= 0, fmt.Sprintf("idle timeout %s: expected 0 (off) or more", c.IdleTimeout)},
		{c.IdleAction == IdleClose || c.IdleAction == IdleNotify, fmt.Sprintf("idle action %d: expected IdleClose or IdleNotify", c.IdleAction)},
		{c.EventLogSize > 0 && c.EventLogSize <= maxEventLogSize, fmt.Sprintf("event log size %d: expected 1 to %d", c.EventLogSize, maxEventLogSize)},
		{slices.Contains(transport.Names, c.Engine), fmt.Sprintf("engine %q: expected one of %s", c.Engine, strings.Join(transport.Names, ", "))},
		{len(c.Listeners) > 0, "no listener: expected at least one address to accept connections on"},
	} {
		if !check.ok {
			return fmt.Errorf("%s", check.text)
		}
	}
	return c.validateListeners()
}

func (c *Config) validateListeners() error {
	names := make(map[string]bool)
	for _, l := range c.Listeners {
		if l.Address == "" || l.Address == unixScheme {
			return fmt.Errorf("listener %q has the address %q: expected host:port or unix:///path", l.Name, l.Address)
		}
		if names[l.Name] {
			return fmt.Errorf("two listeners are called %q: names must be unique; write name=address", l.Name)
		}
		names[l.Name] = true
		if l.Handler == nil {
			return fmt.Errorf("listener %q has no handler, and neither has the configuration", l.Name)
		}
	}
	return nil
}

// hostNode makes a node name of the host's name.
func hostNode() string {
	host, err := os.Hostname()
	if err != nil {
		return "gateway"
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	fit := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	if fit = fit[:min(len(fit), 32)]; fit == "" {
		return "gateway"
	}
	return fit
}
