package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/server"
)

// stopTimeout is how long control-plane calls may take to end when everything else has.
const stopTimeout = 5 * time.Second

// gateway is the running process: the data plane, the control plane, and the order in which they end.
type gateway struct {
	server  *server.Server
	control *control.Server
	log     hclog.Logger
}

// runGateway starts everything and blocks until it has ended. Nothing is left running, except after a second signal, when the
// process is to end at once.
func runGateway(ctx context.Context, s *settings, log hclog.Logger, signals <-chan os.Signal) error {
	g := &gateway{log: log}
	config := s.config(log)
	config.OnDrain = func() { g.control.SetDraining() }
	var err error
	if g.server, err = server.New(config); err != nil {
		return usageError{err}
	}
	if err := g.server.Listen(); err != nil {
		return err
	}
	controlListener, err := listenControl(s.control)
	if err != nil {
		_ = g.server.Shutdown(ctx) // serves nothing yet: only closes the listeners
		return err
	}
	g.control = control.New(g.server, control.Config{DrainTimeout: s.drainTimeout, MaxConnections: controlRoom(), Logger: log.Named("control")})
	g.announce(ctx, controlListener)
	return g.run(ctx, controlListener, signals)
}

func listenControl(address string) (net.Listener, error) {
	l, err := server.Listen(address)
	if err != nil {
		return nil, fmt.Errorf("control plane: %w (--control)", err)
	}
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		if err := os.Chmod(path, 0o600); err != nil { // whoever may write to it may do everything
			_ = l.Close()
			return nil, fmt.Errorf("control plane: %w (--control)", err)
		}
	}
	return l, nil
}

// announce logs a line for each listener and one for the control plane.
func (g *gateway) announce(ctx context.Context, controlListener net.Listener) {
	info, err := g.server.Gateway(ctx)
	if err != nil {
		g.log.Error("describing the gateway failed", "error", err)
		return
	}
	for _, l := range info.Listeners {
		g.log.Info("listening", "listener", l.Name, "address", l.Address, "handler", l.Handler, "node", info.Node, "incarnation", info.Incarnation)
	}
	g.log.Info("control plane listening", "address", controlListener.Addr().String(), "max-connections", info.Config.Limits.MaxConnections)
	if room := descriptorRoom(); room > 0 && info.Config.Limits.MaxConnections > room {
		g.log.Warn("more connections are allowed than descriptors: when they run out, clients and ctl wait for one to be free; raise the "+
			"descriptor limit (ulimit -n), or lower --max-connections", "max-connections", info.Config.Limits.MaxConnections, "room", room)
	}
}

// run serves until a drain has ended, or a second signal comes.
func (g *gateway) run(ctx context.Context, controlListener net.Listener, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	failed, ended := make(chan error, 1), make(chan error, 1)
	go g.serveControl(controlListener, failed, cancel)
	go g.serveConnections(ctx, ended)
	if err := g.await(ended, signals, cancel); err != nil {
		return err
	}
	if err := <-failed; err != nil {
		return err
	}
	g.log.Info("ended")
	return nil
}

// serveControl answers the control plane until it is stopped. A failure drains the gateway: nobody could drive it any more.
func (g *gateway) serveControl(l net.Listener, failed chan<- error, drain context.CancelCauseFunc) {
	err := g.control.Serve(l)
	if err != nil {
		err = fmt.Errorf("control plane: %w", err)
		drain(err)
	}
	failed <- err
}

// serveConnections is the data plane until it has drained; then streams end with the log's last event, and the control plane
// after them.
func (g *gateway) serveConnections(ctx context.Context, ended chan<- error) {
	err := g.server.Serve(ctx)
	g.server.Log().Close()
	stop, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	g.control.Stop(stop)
	ended <- err
}

// overdue is how long after its deadline a drain may take. Only a handler that does not return can hold it longer.
const overdue = 5 * time.Second

// await waits for the end; the first signal begins a drain, the second gives up.
func (g *gateway) await(ended <-chan error, signals <-chan os.Signal, drain context.CancelCauseFunc) error {
	var first os.Signal
	check := time.NewTicker(time.Second)
	defer check.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case now := <-check.C:
			if info, err := g.server.Gateway(context.Background()); err == nil && info.Draining && info.Totals.Connections > 0 &&
				now.After(info.DrainDeadline.Add(overdue)) {
				return fmt.Errorf("%d connections could not be closed within %s after the drain's deadline: a handler does not return",
					info.Totals.Connections, overdue)
			}
		case s := <-signals:
			if first != nil {
				return fmt.Errorf("second signal (%s): ended at once, without waiting for connections", s)
			}
			first = s
			drain(errors.New(signalName(s)))
		}
	}
}
