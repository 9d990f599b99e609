// Package cli is the command line of sockgate: one file per command.
//
// Run is the whole program with its streams injected, and Main is Run over the real process.
package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/bench"
	"github.com/sockgate/sockgate/ctl/internal/dial"
)

const ()

const rootLong = `ctl shows and drives the live sockets of a sockgate gateway.

Data goes to stdout and messages to stderr.

Exit codes: 0 done, 1 failed, 2 usage, 3 partial (some targets failed, or nodes of the
fleet did not answer), 4 not found, 5 denied, 6 gateway unreachable.

A gateway of a fleet answers for all nodes; --node and --local choose others. --timeout holds for the whole call: other nodes have four
fifths of it, at most 1 minute, so that what the others answered is here in time when one does not.`

// rootCommand wires all commands to this run.
func rootCommand(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:               "ctl",
		Short:             "Show and drive the live sockets of a sockgate gateway",
		Long:              rootLong,
		Version:           readVersion().Version, // cobra prints it for --version, as `ctl version` does
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return checkGlobals(a, cmd) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return app.UsageFor(cmd, err) })
	globalFlags(a, root)
	root.AddCommand(
		listCommand(a), countCommand(a), getCommand(a), sendCommand(a), broadcastCommand(a), kickCommand(a),
		labelCommand(a), streamEventsCommand(a), shutdownCommand(a), infoCommand(a), nodesCommand(a, "nodes"), nodeCommand(a), limitsCommand(a), banCommand(a), tokenCommand(a),
		contextCommand(a), tlsDevCommand(a), dial.Command(a), bench.Command(a), versionCommand(a),
	)
	return root
}

// globalFlags declares the flags that all commands have.
func globalFlags(a *app.App, root *cobra.Command) {
	a.RegisterAccess(root)
	f := root.PersistentFlags()
	f.DurationVar(&a.Timeout, "timeout", app.DefaultTimeout, "how long a call may take, other nodes' answers included (they have four fifths of it); streams only until they are established")
	f.StringVarP(&a.Output, "output", "o", app.FormatTable, "output `FORMAT`: "+strings.Join(app.Formats(), ", ")+
		"; json is one object a line, with 64-bit counters as strings, as protobuf's JSON has them")
	f.BoolVar(&a.NoColor, "no-color", false, "do not use colour (env NO_COLOR)")
	app.CompleteFlag(root, "output", app.Formats()...)
	app.CompleteFlag(root, "timeout")
}

// checkGlobals runs before every command.
func checkGlobals(a *app.App, cmd *cobra.Command) error {
	if !slices.Contains(app.Formats(), a.Output) {
		return app.UsageFor(cmd, app.Usagef("-o %q is not an output format; use one of %s", a.Output, strings.Join(app.Formats(), ", ")))
	}
	if a.Timeout <= 0 {
		return app.UsageFor(cmd, app.Usagef("--timeout %s is not possible; give a positive duration such as 5s", a.Timeout))
	}
	return nil
}

// Main runs the process's own command line and returns its exit code.
func Main() int {
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
		ReaderGone:       func() bool { return app.PipeBroken(int(os.Stdout.Fd())) },
	})
}

// Run runs one command line and returns its exit code. Cancelling ctx interrupts it as SIGINT does.
func Run(ctx context.Context, args []string, env app.Env) int {
	a := app.New(env)
	root := rootCommand(a)
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.Started {
		// Cobra found fault with the words before any command of ours ran.
		err = app.AsUsage(err)
	}
	if flushErr := a.Stdout.Flush(); err == nil && flushErr != nil {
		err = flushErr
	}
	a.Report(err)
	return app.ExitCode(err)
}
