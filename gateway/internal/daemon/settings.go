package daemon

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// settings are what the flags, the environment and the configuration file set.
type settings struct {
	node           string
	listen         []string
	control        string
	handler        string
	greeting       string
	echoPrefix     string
	idleTimeout    time.Duration
	idleAction     string
	maxConnections int
	highWater      byteSize
	sendQueueLimit byteSize
	writeTimeout   time.Duration
	drainTimeout   time.Duration
	eventLogSize   int
	engine         string
	logLevel       string
	logFormat      string
}

const (
	defaultListen  = ":8017"
	defaultControl = "127.0.0.1:8018"
)

// flags defines the flags; their names are the keys of the configuration file too.
func (s *settings) flags(f *pflag.FlagSet) {
	s.highWater, s.sendQueueLimit = 64<<10, 1<<20
	f.StringVar(&s.node, "node", "", "name of this node, unique in a fleet: 1 to 32 of a-z, 0-9 and - (default: the host's name)")
	f.StringArrayVar(&s.listen, "listen", []string{defaultListen}, "address for connections, [name=]host:port or [name=]unix:///path; may be given again")
	f.StringVar(&s.control, "control", defaultControl, "address of the control plane, a loopback host:port or unix:///path")
	f.StringVar(&s.handler, "handler", "echo", "what to do with received bytes: echo or sink")
	f.StringVar(&s.greeting, "greeting", "", "text sent to each new connection")
	f.StringVar(&s.echoPrefix, "echo-prefix", "", "text that echo sends before what it sends back")
	f.DurationVar(&s.idleTimeout, "idle-timeout", 0, "how long a connection may neither receive nor send; 0: for ever")
	f.StringVar(&s.idleAction, "idle-action", "close", "what happens then: close, or notify (an event only)")
	f.IntVar(&s.maxConnections, "max-connections", 0, "most live connections; 0: the descriptor limit less a sixteenth (64 to 1,024)")
	f.Var(&s.highWater, "high-water", "send-queue bytes above which reading from that peer pauses, for example 64KiB")
	f.Var(&s.sendQueueLimit, "send-queue-limit", "send-queue bytes beyond which a send is dropped, for example 1MiB")
	f.DurationVar(&s.writeTimeout, "write-timeout", 30*time.Second, "how long a peer may take no byte of a non-empty send queue")
	f.DurationVar(&s.drainTimeout, "drain-timeout", 30*time.Second, "how long connections may end by themselves when the gateway shuts down")
	f.IntVar(&s.eventLogSize, "event-log-size", 65536, "how many events are kept, rounded up to a multiple of 256")
	f.StringVar(&s.engine, "engine", "auto", "what moves the bytes: "+anyOf(engines()))
	f.StringVar(&s.logLevel, "log-level", "info", "trace, debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "text or json; the log goes to standard error")
}

// oneOf checks a setting that is one of a few words.
func oneOf(name, value string, words ...string) error {
	for _, w := range words {
		if value == w {
			return nil
		}
	}
	return fmt.Errorf("--%s %.100q: expected %s", name, value, anyOf(words))
}

// anyOf lists words as a sentence has them; at least two.
func anyOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// engines are the words for --engine.
func engines() []string { return append([]string{"auto"}, server.Engines()...) }

// validate checks what the server does not.
func (s *settings) validate() error {
	for _, err := range []error{
		oneOf("handler", s.handler, "echo", "sink"),
		oneOf("idle-action", s.idleAction, "close", "notify"),
		oneOf("engine", s.engine, engines()...),
		oneOf("log-level", s.logLevel, "trace", "debug", "info", "warn", "error"),
		oneOf("log-format", s.logFormat, "text", "json"),
	} {
		if err != nil {
			return err
		}
	}
	for _, l := range s.listen {
		if err := checkListen(l); err != nil {
			return err
		}
	}
	if len(s.listen) == 0 {
		return errors.New("--listen: no address is given; expected at least one, for example :8017")
	}
	if s.node != "" && !event.ValidNode(s.node) {
		return fmt.Errorf("--node %.100q: expected 1 to 32 of a-z, 0-9 and -", s.node)
	}
	for name, text := range map[string]string{"greeting": s.greeting, "echo-prefix": s.echoPrefix} {
		if len(text) > handler.MaxPrefix {
			return fmt.Errorf("--%s: %d bytes; expected at most %d", name, len(text), handler.MaxPrefix)
		}
	}
	if s.echoPrefix != "" && s.handler != "echo" {
		return fmt.Errorf("--echo-prefix is for --handler echo; the handler is %.100q", s.handler)
	}
	if s.maxConnections < 0 {
		return fmt.Errorf("--max-connections %d: expected 0 (the descriptor limit less a sixteenth) or more", s.maxConnections)
	}
	if s.idleAction == "notify" && s.idleTimeout == 0 {
		return errors.New("--idle-action notify does nothing without --idle-timeout; give both, or neither")
	}
	if s.drainTimeout <= 0 || s.writeTimeout <= 0 {
		return fmt.Errorf("--drain-timeout %s, --write-timeout %s: expected more than 0", s.drainTimeout, s.writeTimeout)
	}
	for name, n := range map[string]int{"high-water": int(s.highWater), "send-queue-limit": int(s.sendQueueLimit), "event-log-size": s.eventLogSize} {
		if n < 1 {
			return fmt.Errorf("--%s %d: expected at least 1", name, n)
		}
	}
	return checkControl(s.control)
}

// config makes the server's configuration.
func (s *settings) config(log hclog.Logger) server.Config {
	c := server.Config{
		Node:    s.node,
		Handler: s.newHandler(),
		Limits: server.Limits{
			MaxConnections: s.maxConnections,
			HighWater:      int(s.highWater),
			SendQueueLimit: int(s.sendQueueLimit),
			WriteTimeout:   s.writeTimeout,
			IdleTimeout:    s.idleTimeout,
		},
		DrainTimeout: s.drainTimeout,
		EventLogSize: s.eventLogSize,
		Logger:       log,
		Version:      version(),
	}
	if c.Limits.MaxConnections == 0 {
		c.Limits.MaxConnections = descriptorRoom()
	}
	if s.engine != "auto" {
		c.Engine = s.engine
	}
	if s.idleAction == "notify" {
		c.IdleAction = server.IdleNotify
	}
	for _, l := range s.listen {
		c.Listeners = append(c.Listeners, listenerConfig(l))
	}
	return c
}

// listenerConfig reads [name=]address.
func listenerConfig(text string) server.ListenerConfig {
	if name, address, ok := strings.Cut(text, "="); ok {
		return server.ListenerConfig{Name: name, Address: address}
	}
	return server.ListenerConfig{Address: text}
}

// checkListen checks the form of a listener's address; whether it can be bound shows later.
func checkListen(text string) error {
	address := listenerConfig(text).Address
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		if strings.HasPrefix(path, "/") {
			return nil
		}
		return fmt.Errorf("--listen %.100q: expected an absolute path, [name=]unix:///path", text)
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("--listen %.100q: expected [name=]host:port or [name=]unix:///path: %w", text, err)
	}
	return nil
}

func (s *settings) newHandler() server.Handler {
	if s.handler == "sink" {
		return handler.Sink{Greeting: []byte(s.greeting)}
	}
	return handler.Echo{Greeting: []byte(s.greeting), Prefix: []byte(s.echoPrefix)}
}
