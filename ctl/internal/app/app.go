// Package app is one run of ctl: its streams, its connection to a gateway, its output and its exit code.
//
// A command prints data to stdout in the form that -o names (print.go) and messages to stderr; it ends with an exit
// code from the one table in exit.go. access.go says how the control plane is reached, from flags, environment and
// contexts; client.go makes the gRPC connection; follow.go keeps an event stream alive. Commands are functions of an
// App, in packages cli, bench and dial.
package app

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Env is everything that a run takes from its process.
type Env struct {
	// Stdin is read for `-` payloads, for confirmations, and by dial.
	Stdin io.Reader
	// Stdout gets data only. A running App has its Output in place of it.
	Stdout io.Writer
	// Stderr gets messages only. A running App has its Output in place of it.
	Stderr io.Writer
	// StdinIsTerminal says that a person can be asked.
	StdinIsTerminal bool
	// StdoutIsTerminal says that colour may be used.
	StdoutIsTerminal bool
	// StderrIsTerminal says that progress may be shown on Stderr, and painted over.
	StderrIsTerminal bool
	// Getenv reads the environment; nil means an empty one.
	Getenv func(string) string
	// ConfigDir names the directory of the user's configuration; nil means that there is none.
	ConfigDir func() (string, error)
	// Now is the clock behind ages in tables, and its location the time zone of tables; nil means time.Now.
	Now func() time.Time

	// Sleep waits between attempts; tests replace it.
	Sleep func(context.Context, time.Duration) error
	// Dial opens the sockets of bench; tests replace it, nil means the network's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// ReaderGone reports whether the reader of Stdout has closed it; nil means never.
	ReaderGone func() bool
}

// App is one run: its environment, its global flags, and where its output goes.
type App struct {
	Env     Env
	Stdout  *Output
	Stderr  *Output
	started bool        // a command's own code has begun: later errors are not cobra's
	refused atomic.Bool // parts of a gateway's answer: the run is not done in full

	flags   *pflag.FlagSet // the global ones; access reads those of the connection
	Timeout time.Duration
	Output  string
	noColor bool
}

// newApp makes a run; fields of env that are nil get their defaults.
func newApp(env Env) *App {
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Sleep == nil {
		env.Sleep = sleep
	}
	if env.ReaderGone == nil {
		env.ReaderGone = func() bool { return false }
	}
	a := &App{Env: env, Stdout: newOutput(env.Stdout, true), Stderr: newOutput(env.Stderr, false)}
	// The streams themselves are out of reach from here on, also by mistake.
	a.Env.Stdout, a.Env.Stderr = layoutWriter{a.Stdout}, layoutWriter{a.Stderr}
	return a
}

// sleep waits for d, or returns the context's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DefaultGateway is the control plane that ctl calls when nothing names another.
const (
	DefaultGateway = "127.0.0.1:8018"
	defaultTimeout = 5 * time.Second
)

// Noun makes a command that does nothing without one of its verbs. todo completes "needs to know what to".
func (a *App) Noun(cmd *cobra.Command, todo string) *cobra.Command {
	var verbs []string
	for _, sub := range cmd.Commands() {
		verbs = append(verbs, sub.Name())
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = a.RunE(func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usagef("%s needs to know what to %s: one of %s", cmd.Name(), todo, strings.Join(verbs, ", "))
		}
		return Usagef("%s %q is not known; use one of %s", cmd.Name(), args[0], strings.Join(verbs, ", "))
	})
	return cmd
}

// RunE adapts a command's own code. Once it runs, errors are the command's and not cobra's.
func (a *App) RunE(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		err := f(cmd, args)
		if isUsage(err) {
			return usageFor(cmd, err)
		}
		return err
	}
}
