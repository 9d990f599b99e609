package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

// stopTimeout is how long control-plane calls may take to end after everything else has ended.
const stopTimeout = 5 * time.Second

// controlConnections is the most connections of the control plane if descriptors have no limit.
const controlConnections = 1000

// gateway is the running process: the data plane, the control plane, the fleet, and the order of their starts and ends.
type gateway struct {
	server       *server.Server
	control      *control.Server
	certificates certificates
	handlers     *lane.Table // the remote handlers of the listeners
	auth         controlAuth
	membership   *membership // nil: it runs alone
	log          hclog.Logger
}

// runGateway starts everything and blocks until it has ended. It leaves no goroutine running, except after a second
// signal; the process must exit at once then.
func runGateway(ctx context.Context, s *settings, log hclog.Logger, p *Process) (err error) {
	g := &gateway{log: log, certificates: certificates{log: log.Named("tls")}, handlers: lane.NewTable()}
	defer g.certificates.close()
	s.limits.memory = limitMemory(p)
	s.remotes = g.handlers
	config, err := s.config(&g.certificates, log)
	if err != nil {
		return usageError{err}
	}
	if g.auth, err = openControlAuth(&s.control, &g.certificates, log.Named("control")); err != nil {
		return usageError{fmt.Errorf("control plane: %w", err)}
	}
	defer g.auth.close()
	controlConfig, err := g.auth.config(control.Config{DrainTimeout: s.drainTimeout,
		MaxConnections: cmp.Or(controlDescriptors(), controlConnections),
		MemoryBudget:   int64(s.control.memory), Handlers: g.handlers, Logger: log.Named("control")})
	if err != nil {
		return usageError{err}
	}
	if g.membership, err = openMembership(&s.fleet, &g.certificates, log.Named("fleet")); err != nil {
		return usageError{err}
	}
	g.membership.warn(&s.control)
	config.OnDrain = func() { g.control.SetDraining() }
	if g.server, err = server.New(config); err != nil {
		return usageError{err}
	}
	if slices.ContainsFunc(config.Listeners, func(l server.ListenerConfig) bool { return l.TLS != nil }) {
		moreProcessors() // after the engine has started one loop for each real processor
	}
	if err := g.server.Listen(); err != nil {
		return namingFlag(err)
	}
	controlListener, err := listenControl(&s.control)
	if err != nil {
		_ = g.server.Shutdown(ctx) // it serves nothing yet, so this only closes the listeners
		return err
	}
	if err := g.answer(ctx, controlConfig, s.fleet.address(s.control.address, controlListener.Addr())); err != nil {
		_ = controlListener.Close()
		_ = g.server.Shutdown(ctx)
		return err
	}
	g.announce(controlListener, controlConfig.MaxConnections)
	g.handlers.Start(g.server)
	g.log.Info("memory limit", "limit", s.limits.memory.String(), "from", s.limits.memory.from)
	return g.run(ctx, controlListener, p)
}

// answer makes the control plane, which has this address for the fleet, and joins the fleet before the gateway serves
// anything. An error means that the gateway must not serve: the fleet has a node of this name, or the cluster address
// cannot be listened on.
func (g *gateway) answer(ctx context.Context, c control.Config, address string) (err error) {
	if g.control, err = g.membership.control(g.server, c, address); err != nil {
		return err
	}
	return g.membership.join(ctx)
}

// listenControl opens the control plane's socket. Only the gateway's own user may connect to a unix socket. If users
// have roles, every user may connect, and the kernel tells the user of each caller.
func listenControl(c *controlFlags) (net.Listener, error) {
	l, err := server.Listen(c.address)
	if err != nil {
		return nil, fmt.Errorf("control plane: %w (--control)", err)
	}
	if path, ok := strings.CutPrefix(c.address, unixScheme); ok {
		mode := os.FileMode(0o600)
		if len(c.roles) > 0 {
			mode = 0o666
		}
		if err := os.Chmod(path, mode); err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("control plane: %w (--control)", err)
		}
	}
	return l, nil
}

// announce logs a line for each listener and one for the control plane, whose callers have at most maxConnections.
func (g *gateway) announce(controlListener net.Listener, maxConnections int) {
	info := g.server.Gateway()
	for _, l := range info.Listeners {
		fields := append([]any{"listener", l.Name, "address", l.Address, "handler", l.Handler},
			tlsFields(l.TLS, l.ClientAuth)...)
		if l.MaxFrame > 0 {
			fields = append(fields, "frame", l.Framing, "max-frame", l.MaxFrame)
		}
		g.log.Info("listening", append(fields, "proxy", l.Proxy, "node", info.Node, "incarnation", info.Incarnation)...)
	}
	fields := append([]any{"address", controlListener.Addr().String()},
		tlsFields(g.auth.tls != nil, g.auth.asks.String())...)
	g.log.Info("control plane listening", append(fields, "callers", g.auth.String(), "max-connections",
		maxConnections)...)
	if info.Config.BanFile == "" {
		g.log.Info("bans do not survive a restart: name a directory to keep them in with --state-dir")
	}
}

// tlsFields describes TLS and client authentication for the log.
func tlsFields(on bool, clientAuth string) []any {
	if !on {
		return []any{"tls", "off"}
	}
	return []any{"tls", "on", "client-auth", clientAuth}
}

// run serves until a drain has ended, or a second signal comes.
func (g *gateway) run(ctx context.Context, controlListener net.Listener, p *Process) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	failed, ended := make(chan error, 1), make(chan error, 1)
	go g.serveControl(controlListener, failed, cancel)
	go g.serveConnections(ctx, ended)
	if err := g.await(ended, p, cancel); err != nil {
		return err
	}
	if err := <-failed; err != nil {
		return err
	}
	g.log.Info("ended")
	return nil
}

// serveControl serves the control plane until it is stopped. A failure drains the gateway, because it could no longer
// be driven.
func (g *gateway) serveControl(l net.Listener, failed chan<- error, drain context.CancelCauseFunc) {
	err := g.control.Serve(l)
	if err != nil {
		err = fmt.Errorf("control plane: %w", err)
		drain(err)
	}
	failed <- err
}

// serveConnections serves the data plane until it has drained. Then it ends the lanes of remote handlers, and closes
// the event log, which ends streams after their last event. It stops the control plane, and leaves the fleet last.
func (g *gateway) serveConnections(ctx context.Context, ended chan<- error) {
	err := g.server.Serve(ctx)
	g.handlers.Stop()
	g.server.Log().Close()
	stop, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	g.control.Stop(stop)
	g.membership.leave()
	ended <- err
}

// overdue is how long a drain may take beyond its deadline. Only a handler that does not return can hold it longer.
const overdue = 5 * time.Second

// await waits until everything has ended, or a drain is overdue. The first signal begins a drain, and the second gives
// up waiting.
func (g *gateway) await(ended <-chan error, p *Process, drain context.CancelCauseFunc) error {
	var first os.Signal
	check := time.NewTicker(time.Second)
	defer check.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case now := <-check.C:
			if info := g.server.Gateway(); info.Draining && info.Totals.Connections > 0 &&
				now.After(info.DrainDeadline.Add(overdue)) {
				return fmt.Errorf("%d connections could not be closed within %s after the drain's deadline: a handler does not "+
					"return",
					info.Totals.Connections, overdue)
			}
		case <-p.Hangups:
			g.reload()
		case s := <-p.Signals:
			if first != nil {
				return fmt.Errorf("second signal (%s): ended at once, without waiting for connections", s)
			}
			first = s
			drain(errors.New(signalName(s)))
		}
	}
}

// namingFlag adds the flag that helps to an error of the server, because the server knows no flags.
func namingFlag(err error) error {
	if inUse := (*server.BanFileInUseError)(nil); errors.As(err, &inUse) {
		return fmt.Errorf("%w (--state-dir)", err)
	}
	return err
}
