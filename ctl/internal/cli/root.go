// Package cli is the command line of sockgate: one file per command.
//
// Run is the whole program with its streams injected, and Main is Run over the real process.
package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/bench"
	"github.com/sockgate/sockgate/ctl/internal/dial"
	"github.com/sockgate/sockgate/ctl/internal/handlers"
	"github.com/sockgate/sockgate/ctl/internal/limits"
	"github.com/sockgate/sockgate/ctl/internal/local"
)

const rootLong = `ctl shows and drives the live sockets of a sockgate gateway.

Data goes to stdout and messages to stderr.

Exit codes: 0 done, 1 failed, 2 usage, 3 partial (some targets failed, nodes of the fleet did not
answer, or a part of an answer was refused), 4 not found, 5 denied, 6 gateway unreachable.

Text from gateways and peers is shown with escapes (\x1b, \u202e) in place of control characters.

A gateway of a fleet answers for all nodes; --node and --local choose others. --timeout bounds
the whole call. Other nodes have four fifths of it, at most 1 minute, so that their answers
arrive in time when one node is silent.`

// rootCommand wires all commands to this run.
func rootCommand(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:     "ctl",
		Short:   "Show and drive the live sockets of a sockgate gateway",
		Long:    rootLong,
		Version: readVersion().Version, // cobra prints it for --version, as `ctl version` does
	}
	root.AddCommand(
		listCommand(a), countCommand(a), getCommand(a), sendCommand(a), broadcastCommand(a), kickCommand(a), labelCommand(a),
		streamEventsCommand(a), shutdownCommand(a), infoCommand(a), nodesCommand(a, "nodes"), nodeCommand(a),
		limits.Command(a), banCommand(a), handlers.Command(a), local.TokenCommand(a), local.ContextCommand(a),
		local.TLSDevCommand(a), dial.Command(a), bench.Command(a), versionCommand(a),
	)
	return root
}

// Main runs the process's own command line and returns its exit code.
func Main() int {
	app.LogThroughLayer(os.Stderr, os.Getenv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks for an orderly end; from then on a second one ends the process as usual.
	defer context.AfterFunc(ctx, stop)()
	return Run(ctx, os.Args[1:], app.Env{
		Stdin:            os.Stdin,
		Stdout:           os.Stdout,
		Stderr:           os.Stderr,
		StdinIsTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		StdoutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		StderrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Getenv:           os.Getenv,
		ConfigDir:        os.UserConfigDir,
		ReaderGone:       func() bool { return pipeBroken(int(os.Stdout.Fd())) },
	})
}

// Run runs one command line of ctl and returns its exit code. Cancelling ctx interrupts it as SIGINT does.
func Run(ctx context.Context, args []string, env app.Env) int {
	return app.Run(ctx, args, env, rootCommand)
}
