package app

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Run runs one command line and returns its exit code. newRoot makes the program's command, and Run adds the flags
// that all commands have. Cancelling ctx interrupts the run as SIGINT does.
func Run(ctx context.Context, args []string, env Env, newRoot func(*App) *cobra.Command) int {
	a := newApp(env)
	root := newRoot(a)
	a.prepare(root)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		// Cobra refused the words before any command of ours ran.
		err = asUsage(err)
	}
	if flushErr := a.Stdout.Flush(); err == nil && flushErr != nil {
		err = flushErr
	}
	a.report(err)
	code := ExitCode(err)
	if code == ExitDone && a.refused.Load() {
		return ExitPartial
	}
	return code
}

// prepare gives the root its streams, its global flags and their check.
func (a *App) prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.checkGlobals(cmd) }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageFor(cmd, Usagef("%s", err)) })
	root.SetIn(a.Env.Stdin)
	root.SetOut(a.Env.Stdout)
	root.SetErr(a.Env.Stderr)
	a.registerAccess(root)
	f := root.PersistentFlags()
	f.DurationVar(&a.Timeout, "timeout", defaultTimeout, "how long a call may take, other nodes' answers included (they "+
		"have four fifths of it); streams only until they are established")
	f.StringVarP(&a.Output, "output", "o", FormatTable, "output `FORMAT`: "+strings.Join(formats(), ", ")+
		"; json is one object a line, with 64-bit counters as strings, as protobuf's JSON has them")
	f.BoolVar(&a.noColor, "no-color", false, "do not use colour (env NO_COLOR)")
	CompleteFlag(root, "output", formats()...)
	CompleteFlag(root, "timeout")
}

// checkGlobals runs before every command.
func (a *App) checkGlobals(cmd *cobra.Command) error {
	if !slices.Contains(formats(), a.Output) {
		return usageFor(cmd, Usagef("-o %q is not an output format; use one of %s", a.Output, strings.Join(formats(), ", ")))
	}
	if a.Timeout <= 0 {
		return usageFor(cmd, Usagef("--timeout %s is not possible; give a positive duration such as 5s", a.Timeout))
	}
	return nil
}
