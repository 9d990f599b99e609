package server

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
	"github.com/sockgate/sockgate/gateway/server/internal/plan"
	"github.com/sockgate/sockgate/gateway/server/internal/process"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Engines returns the names of this system's engines, the default first: `epoll` on Linux, and `net`.
func Engines() []string { return slices.Clone(transport.Names) }

// Config is the configuration of a server. Every field but Listeners and Handler may be left zero for its default. New
// copies it. The handlers, maps and slices in it must not change afterwards.
type Config struct {
	// Node is the server's name, unique in a fleet: [a-z0-9-]{1,32}. Default: the host's name, made to fit.
	// Hazard: two nodes of one name make IDs that cannot be told apart.
	Node string
	// Listeners are the data-plane addresses; at least one.
	Listeners []ListenerConfig
	// Handler serves the listeners that have none of their own.
	Handler Handler

	// Limits are the bounds at the start.
	Limits Limits
	// BanFile is the file that keeps bans over a restart: a line for each change, rewritten when it has doubled. Listen
	// reads it; it may also be JSON of version 1, as an operator writes it. Listen copies a damaged file to
	// BanFile.damaged- and the time, and starts with the bans of its readable lines, with none of damaged JSON. Default:
	// none, and bans end with the process. Hazard: two servers must not share a BanFile. On unix the lock on BanFile.lock
	// refuses the second server; other systems do not prevent it. Hazard: edits while the server runs are lost.
	BanFile string
	// ConnectionDescriptors is the number of file descriptors that the process can spare for connections. The server logs
	// a warning when Limits.MaxConnections exceeds it or sets no limit. Default 0: the number is not known, and no warning
	// is logged.
	ConnectionDescriptors int
	// IdleAction is the action for a connection that was idle for Limits.IdleTimeout. Default IdleClose.
	IdleAction IdleAction
	// CloseTimeout bounds the orderly end of a connection after Conn.Close: flushing its queue and waiting for the peer's
	// FIN. It must be more than 0. Default 5 s.
	CloseTimeout time.Duration
	// DrainTimeout is the grace period of the drain that Serve starts when its context ends. It must be more than 0; at
	// most 24 h count. Default 30 s.
	DrainTimeout time.Duration
	// EventLogSize is how many events the log keeps, rounded up to a multiple of 256. Default 65,536; at most 16,777,216.
	// Hazard: an event takes about 100 bytes. An event about a connection with labels, or about a verb with a filter or
	// IDs, takes up to 12 KiB.
	EventLogSize int
	// Engine is the name of the engine that moves the bytes, one of Engines. Default: the first of them.
	Engine string
	// OnDrain, when it is not nil, is called once when a drain begins, before the listeners close; the drain waits for it.
	// It must not wait for the drain in turn, as a Shutdown does.
	OnDrain func()
	// Logger gets the lines for operators. Default: none. Hazard: a logger that blocks holds up connections, because the
	// goroutines that serve them write to it. They hold no connection's lock meanwhile.
	Logger hclog.Logger
	// Version is the program's version, which Gateway reports. Default "devel".
	Version string
}

// ListenerConfig is one data-plane address.
type ListenerConfig struct {
	// Name is the listener's name in connections and events. It must be unique in a server. Default: Address as given.
	Name string
	// Address is `host:port` (an empty host means every address, port 0 a free one) or `unix:///path`.
	Address string
	// Handler serves the listener's connections. Default: Config.Handler.
	Handler Handler
	// TLS makes the listener's connections TLS. It needs at least a certificate, or a function that returns one. Several
	// goroutines may call its functions at once. Default nil: plain TCP.
	TLS *tls.Config
	// Proxy says whether connections begin with PROXY headers. Default ProxyOff.
	Proxy ProxyMode
	// ProxyTrusted are the networks whose PROXY headers are believed. At least one is required, unless Proxy is ProxyOff
	// or Address is a unix socket: every process that may open the socket's file is believed. Hazard: a host in these
	// networks can claim any address, and so evade every limit, list and ban on addresses.
	ProxyTrusted []netip.Prefix
	// Frame says how received bytes are cut into frames, which Handler.Data and Data events get one by one, without
	// header and delimiter; a WholeFramer gets them whole. Bytes that are no frames close the connection with ReasonFrame.
	// Default: raw, as they were read.
	Frame frame.Format
	// MaxFrame is the most bytes of a frame, header and delimiter included: 1 to 16 MiB. Default 64 KiB. It has no effect
	// on raw. Hazard: a connection holds up to this much while half a frame has come, and a handler's answers may exceed
	// Limits.SendQueueLimit by this much more.
	MaxFrame int
	// FrameTimeout is the longest that half a frame waits for the rest while the peer is read from: 1 ms to 1 h. Then the
	// connection closes with ReasonFrame. Default 30 s.
	FrameTimeout time.Duration
}

// framed reports whether received bytes are cut.
func (l *ListenerConfig) framed() bool { return l.Frame != (frame.Format{}) }

// rules returns how received bytes are cut.
func (l *ListenerConfig) rules() framing.Rules {
	whole, _ := l.Handler.(WholeFramer)
	return framing.Rules{Format: l.Frame, Limit: l.MaxFrame, Timeout: l.FrameTimeout,
		Whole: whole != nil && whole.WholeFrames()}
}

// ProxyMode says whether connections begin with a PROXY header (HAProxy's PROXY protocol, versions 1 and 2). Its String
// is its name in flags.
type ProxyMode = plan.ProxyMode

// The modes.
const (
	ProxyOff      = plan.ProxyOff      // a header is data like any other
	ProxyOptional = plan.ProxyOptional // a trusted balancer's connections may begin with one; from other peers it is data
	ProxyRequired = plan.ProxyRequired // connections must come from a trusted balancer, and begin with one
)

// IdleAction is the action for an idle connection. Its String is its name in flags.
type IdleAction = plan.IdleAction

// The idle actions.
const (
	IdleClose  = plan.IdleClose  // publishes an IDLE_TIMEOUT event and closes the connection
	IdleNotify = plan.IdleNotify // publishes the event only, once for each idle period
)

const (
	defaultCloseTimeout = 5 * time.Second
	defaultDrainTimeout = 30 * time.Second
	defaultEventLogSize = 65_536
)

// withDefaults returns the configuration with every default filled in. The error names the field.
func (c Config) withDefaults() (Config, error) {
	if c.Node == "" {
		c.Node = process.Node()
	}
	c.Limits.bounds().SetDefaults()
	setDefault(&c.EventLogSize, defaultEventLogSize)
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
		setDefault(&c.Listeners[i].MaxFrame, plan.DefaultMaxFrame)
		setDefault(&c.Listeners[i].FrameTimeout, plan.DefaultFrameTimeout)
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
	p := plan.Server{Node: c.Node, CloseTimeout: c.CloseTimeout, DrainTimeout: c.DrainTimeout, IdleAction: c.IdleAction,
		EventLogSize: c.EventLogSize, Engine: c.Engine}
	for _, l := range c.Listeners {
		p.Listeners = append(p.Listeners, plan.Listener{Name: l.Name, Address: l.Address, Handled: l.Handler != nil,
			TLS: l.TLS, Proxy: l.Proxy, Trusted: l.ProxyTrusted, Rules: l.rules()})
	}
	if err := p.Check(); err != nil {
		return err
	}
	return c.Limits.bounds().Validate(names(c.Listeners))
}

func names(listeners []ListenerConfig) (names []string) {
	for i := range listeners {
		names = append(names, listeners[i].Name)
	}
	return names
}
