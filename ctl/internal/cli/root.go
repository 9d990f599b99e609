package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultGateway = "127.0.0.1:8018"
	defaultTimeout = 5 * time.Second
)

const rootLong = `ctl shows and drives the live sockets of a sockgate gateway.

Data goes to stdout and messages to stderr.

Exit codes: 0 done, 1 failed, 2 usage, 3 partial (some targets failed, or nodes of the
fleet did not answer), 4 not found, 5 denied, 6 gateway unreachable.

A gateway of a fleet answers for all nodes; --node and --local choose others. --timeout holds for the whole call: other nodes have four
fifths of it, at most 1 minute, so that what the others answered is here in time when one does not.`

// rootCommand wires all commands to this run.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "ctl",
		Short:             "Show and drive the live sockets of a sockgate gateway",
		Long:              rootLong,
		Version:           readVersion().Version, // cobra prints it for --version, as `ctl version` does
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.checkGlobals,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageFor(cmd, err) })
	a.globalFlags(root)
	root.AddCommand(
		a.listCommand(), a.countCommand(), a.getCommand(), a.sendCommand(), a.broadcastCommand(), a.kickCommand(),
		a.labelCommand(), a.streamEventsCommand(), a.shutdownCommand(), a.infoCommand(), a.nodesCommand("nodes"), a.nodeCommand(), a.limitsCommand(), a.banCommand(), a.tokenCommand(),
		a.contextCommand(), a.tlsDevCommand(), a.dialCommand(), a.benchCommand(), a.versionCommand(),
	)
	return root
}

// globalFlags declares the flags that all commands have.
func (a *app) globalFlags(root *cobra.Command) {
	a.registerAccess(root)
	f := root.PersistentFlags()
	f.DurationVar(&a.timeout, "timeout", defaultTimeout, "how long a call may take, other nodes' answers included (they have four fifths of it); streams only until they are established")
	f.StringVarP(&a.output, "output", "o", formatTable, "output `FORMAT`: "+strings.Join(formats(), ", ")+
		"; json is one object a line, with 64-bit counters as strings, as protobuf's JSON has them")
	f.BoolVar(&a.noColor, "no-color", false, "do not use colour (env NO_COLOR)")
	completeFlag(root, "output", formats()...)
	completeFlag(root, "timeout")
}

// checkGlobals runs before every command.
func (a *app) checkGlobals(cmd *cobra.Command, _ []string) error {
	if !slices.Contains(formats(), a.output) {
		return usageFor(cmd, usagef("-o %q is not an output format; use one of %s", a.output, strings.Join(formats(), ", ")))
	}
	if a.timeout <= 0 {
		return usageFor(cmd, usagef("--timeout %s is not possible; give a positive duration such as 5s", a.timeout))
	}
	return nil
}

// run adapts a command's own code: from here on, errors are the command's and not cobra's.
func (a *app) run(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		err := f(cmd, args)
		if isUsage(err) {
			return usageFor(cmd, err)
		}
		return err
	}
}
