package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

// settings are the values of the flags, the environment and the configuration file.
type settings struct {
	node         string
	listen       []string
	listeners    []listenerSettings // parsed from listen by validate
	tls          tlsFlags
	proxy        proxyFlags
	handler      string
	remotes      *lane.Table
	greeting     string
	echoPrefix   string
	limits       limitFlags
	idleAction   string
	control      controlFlags
	fleet        fleetFlags
	stateDir     string
	drainTimeout time.Duration
	eventLogSize int
	engine       string
	logLevel     string
	logFormat    string
}

const (
	defaultListen  = ":8017"
	defaultControl = "127.0.0.1:8018"
)

// flags defines the flags. Their names are also the keys of the configuration file.
func (s *settings) flags(f *pflag.FlagSet) {
	f.StringVar(&s.node, "node", "", "name of this node, unique in a fleet: 1 to 32 of a-z, 0-9 and - (default: the "+
		"host's name)")
	f.StringArrayVar(&s.listen, "listen", []string{defaultListen},
		"address for connections, [name=]host:port or [name=]unix:///path, with optional words for its own settings, for "+
			"example ':9000 tls=off max-connections=1000'; may be given again")
	s.tls.flags(f)
	s.proxy.flags(f)
	f.StringVar(&s.handler, "handler", "echo", "handler of received bytes: echo sends them back, sink discards them, "+
		"remote:NAME gives them to programs that attach under NAME")
	f.StringVar(&s.greeting, "greeting", "", "text sent to each new connection")
	f.StringVar(&s.echoPrefix, "echo-prefix", "", "text that echo sends before the bytes that it sends back")
	s.limits.flags(f)
	f.StringVar(&s.idleAction, "idle-action", "close", "action after --idle-timeout: close the connection, or notify "+
		"(publish an event only)")
	s.control.flags(f)
	s.fleet.flags(f)
	f.StringVar(&s.stateDir, "state-dir", "", "directory that keeps bans over a restart (default: systemd's "+
		"$STATE_DIRECTORY, else none)")
	f.DurationVar(&s.drainTimeout, "drain-timeout", 30*time.Second,
		"how long connections have to end by themselves when the gateway shuts down")
	f.IntVar(&s.eventLogSize, "event-log-size", 65536, "number of events that are kept, rounded up to a multiple of 256")
	f.StringVar(&s.engine, "engine", "auto", "network engine: "+anyOf(engines()))
	f.StringVar(&s.logLevel, "log-level", "info", "least level that is logged: trace, debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "form of the log on standard error: text or json")
}

// oneOf checks a setting that must be one of a few words.
func oneOf(name, value string, words ...string) error {
	for _, w := range words {
		if value == w {
			return nil
		}
	}
	return fmt.Errorf("--%s %.100q: expected %s", name, value, anyOf(words))
}

// anyOf joins at least two words for a sentence.
func anyOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// namedHandler checks --handler.
func (s *settings) namedHandler() error {
	if err := checkHandler(s.handler); err != nil {
		return fmt.Errorf("--handler %.100q: %w", s.handler, err)
	}
	return nil
}

// engines lists the words for --engine.
func engines() []string { return append([]string{"auto"}, server.Engines()...) }

// validate checks settings that the server does not check, and parses the listeners.
func (s *settings) validate() error {
	for _, err := range []error{
		s.namedHandler(),
		oneOf("idle-action", s.idleAction, "close", "notify"),
		oneOf("engine", s.engine, engines()...),
		oneOf("log-level", s.logLevel, "trace", "debug", "info", "warn", "error"),
		oneOf("log-format", s.logFormat, "text", "json"),
		oneOf("proxy-protocol", s.proxy.mode, "off", "optional", "required"),
		s.tls.validate(),
		s.validateListeners(),
		s.validateTexts(),
		s.limits.validate(),
		s.control.validate(),
		s.fleet.validate(),
	} {
		if err != nil {
			return err
		}
	}
	if s.idleAction == "notify" && s.limits.IdleTimeout == 0 {
		return errors.New("--idle-action notify does nothing without --idle-timeout; give both, or neither")
	}
	if s.drainTimeout <= 0 {
		return fmt.Errorf("--drain-timeout %s: expected more than 0", s.drainTimeout)
	}
	if s.eventLogSize < 1 {
		return fmt.Errorf("--event-log-size %d: expected at least 1", s.eventLogSize)
	}
	return nil
}

// validateListeners parses the listeners. It refuses settings that no listener uses, because the operator may rely on
// them.
func (s *settings) validateListeners() error {
	if len(s.listen) == 0 {
		return errors.New("--listen: no address is given; expected at least one, for example :8017")
	}
	s.listeners = nil
	tls, proxy := false, false
	for _, text := range s.listen {
		l, err := parseListen(text, s.tls, s.proxy)
		if err != nil {
			return err
		}
		l.handler = cmp.Or(l.handler, s.handler)
		tls, proxy = tls || l.files != nil, proxy || l.Proxy != server.ProxyOff
		s.listeners = append(s.listeners, l)
	}
	if s.tls.said() && !tls {
		return errors.New("--tls-… is given and no listener has TLS: give --tls-cert and --tls-key, or tls-cert= and " +
			"tls-key= behind a --listen")
	}
	if len(s.proxy.trusted) > 0 && !proxy {
		return errors.New("--proxy-trusted does nothing as long as no listener takes PROXY headers: give --proxy-protocol, " +
			"or proxy= behind a --listen")
	}
	return nil
}

// validateTexts checks names and payloads.
func (s *settings) validateTexts() error {
	if s.node != "" && !event.ValidNode(s.node) {
		return fmt.Errorf("--node %.100q: expected 1 to 32 of a-z, 0-9 and -", s.node)
	}
	for name, text := range map[string]string{"greeting": s.greeting, "echo-prefix": s.echoPrefix} {
		if len(text) > handler.MaxPrefix {
			return fmt.Errorf("--%s: %d bytes; expected at most %d", name, len(text), handler.MaxPrefix)
		}
	}
	if s.echoPrefix != "" && !s.handles(echoWord) {
		return errors.New("--echo-prefix does nothing as long as no listener echoes: give --handler echo, or handler=echo " +
			"behind a --listen")
	}
	if s.greeting != "" && !s.handles(echoWord) && !s.handles(sinkWord) {
		return errors.New("--greeting does nothing as long as all listeners have remote handlers: leave the greeting to " +
			"the programs, or give handler=echo or handler=sink behind a --listen")
	}
	return nil
}

// handles reports whether a listener has a handler.
func (s *settings) handles(word string) bool {
	return slices.ContainsFunc(s.listeners, func(l listenerSettings) bool { return l.handler == word })
}

// config makes the server's configuration, and opens the files that it needs: certificates and the state directory. The
// error names the listener or the flag.
func (s *settings) config(held *certificates, log hclog.Logger) (server.Config, error) {
	c := server.Config{
		Node:                  s.node,
		DrainTimeout:          s.drainTimeout,
		ConnectionDescriptors: connectionDescriptors(),
		EventLogSize:          s.eventLogSize,
		Logger:                log,
		Version:               version(),
	}
	if s.engine != "auto" {
		c.Engine = s.engine
	}
	if s.idleAction == "notify" {
		c.IdleAction = server.IdleNotify
	}
	var err error
	if c.Listeners, err = s.listenerConfigs(held); err != nil {
		return c, err
	}
	c.Limits = s.limits.limits(s.listenerConnections())
	if s.stateDir != "" {
		if c.BanFile, err = openState(s.stateDir); err != nil {
			return c, err
		}
	}
	return c, nil
}

// listenerConfigs makes the listeners' configurations, with their handlers, and opens their certificates.
func (s *settings) listenerConfigs(held *certificates) (all []server.ListenerConfig, err error) {
	handlers := handlerSet{greeting: s.greeting, echoPrefix: s.echoPrefix, remotes: s.remotes,
		made: make(map[string]server.Handler)}
	for i := range s.listeners {
		c, err := s.listeners[i].config(held, &handlers)
		if err != nil {
			return nil, fmt.Errorf("--listen %.200q: %w", s.listen[i], err)
		}
		all = append(all, c)
	}
	return all, nil
}

// listenerConnections are the connection limits of listeners, by name.
func (s *settings) listenerConnections() map[string]int {
	most := make(map[string]int)
	for i := range s.listeners {
		if l := &s.listeners[i]; l.maxConnections > 0 {
			most[l.name()] = l.maxConnections
		}
	}
	return most
}
