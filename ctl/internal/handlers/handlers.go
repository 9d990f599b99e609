// Package handlers is `ctl handlers`: the remote handlers, the instances that are attached to them, and their draining.
package handlers

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The bounds of --interval.
const (
	leastInterval = 100 * time.Millisecond
	maxInterval   = time.Hour
)

const handlersLong = `List the remote handlers and the instances that are attached to them; in a fleet those of all
nodes, or of those that --node names. A handler has a row of its own, without an instance, on
each node where it has no instance or holds connections; with -o wide, json or yaml, on every
node. -o name prints the instances' names, each once.

HELD connections wait for an instance. UNACKNOWLEDGED is what an instance has not acknowledged,
and AGE how long the connection that has waited longest has waited. SILENT is how long nothing
has come from the instance.

DELIVERIES and COMMANDS count since the instance attached. With --interval ctl asks twice, that
long apart, and shows how many there were in a second; with --watch it goes on asking.

Exit codes: 0 done; 3 nodes of the fleet did not answer; 4 no listener has the handler.`

// options are the flags of `ctl handlers`.
type options struct {
	scope    app.ScopeFlags
	handler  string
	interval time.Duration
	paced    bool // --interval was given
	watch    bool
}

// Command is `ctl handlers` with its verb drain.
func Command(a *app.App) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "handlers",
		Short: "List the remote handlers and their instances, and drain one",
		Long:  handlersLong,
		Example: `  ctl handlers
  ctl handlers --handler jt808 --interval 1s
  ctl handlers --watch -o wide`,
		Args:              cobra.ArbitraryArgs, // RunE refuses them, with the name of the verb
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return app.Usagef("handlers %q is not known; use drain, or nothing to list them", args[0])
			}
			o.paced = cmd.Flags().Changed("interval")
			return run(cmd.Context(), a, &o)
		}),
	}
	f := cmd.Flags()
	f.DurationVar(&o.interval, "interval", time.Second, "show rates, from two answers so far apart; 100ms to 1h")
	f.BoolVarP(&o.watch, "watch", "w", false, "show rates again and again, each --interval")
	registerHandler(a, cmd, &o.handler, "only the handler of this `NAME`")
	a.RegisterScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "interval")
	cmd.AddCommand(drainCommand(a))
	return cmd
}

// check refuses flags that cannot be meant.
func (o *options) check(a *app.App) error {
	switch {
	case o.interval < leastInterval || o.interval > maxInterval:
		return app.Usagef("--interval %s is out of bounds; give %s to %s", o.interval, leastInterval,
			units.ExactDuration(maxInterval))
	case o.watch && a.Output == app.FormatName:
		return app.Usagef("--watch shows rates, and -o name has none; leave one of them out")
	}
	if err := checkHandler(o.handler); err != nil {
		return err
	}
	return o.scope.Check()
}

// checkHandler refuses a text that cannot be a handler's name; empty means that none is named.
func checkHandler(name string) error {
	if name != "" && !app.HandlerName.MatchString(name) {
		return app.Usagef("--handler %.50q is no handler's name; expected 1 to 32 of a-z, 0-9 and -, as ctl handlers shows "+
			"them", name)
	}
	return nil
}

// run lists once, or again and again.
func run(ctx context.Context, a *app.App, o *options) error {
	if err := o.check(a); err != nil {
		return err
	}
	return a.WithClient(func(c *app.Client) error {
		if o.watch {
			return watch(ctx, a, c, o)
		}
		return once(ctx, a, c, o)
	})
}

// once lists with totals, or with the rates between two answers.
func once(ctx context.Context, a *app.App, c *app.Client, o *options) error {
	now, err := ask(ctx, a, c, o)
	if err != nil {
		return err
	}
	var before *answer
	if o.paced {
		before = now
		if err := a.Env.Sleep(ctx, o.interval); err != nil {
			return err
		}
		if now, err = ask(ctx, a, c, o); err != nil {
			return err
		}
	}
	if err := show(a, now, before); err != nil {
		return err
	}
	return a.Ending(now.GetFleet(), o.exitCode(a, now))
}

// exitCode says that the handler of --handler is not there, when all nodes have answered.
func (o *options) exitCode(a *app.App, now *answer) int {
	if o.handler == "" || len(handlerNames(now.ListInstancesResponse)) > 0 || app.AbsentFrom(now.GetFleet()).Any() {
		return app.ExitDone
	}
	a.Say("no listener has the handler remote:%s; ctl handlers without --handler shows those that are there", o.handler)
	return app.ExitNotFound
}

// answer is a reply and the moment at which it came.
type answer struct {
	*pb.ListInstancesResponse
	at time.Time
}

// ask asks for the handlers and instances.
func ask(ctx context.Context, a *app.App, c *app.Client, o *options) (*answer, error) {
	resp, err := list(ctx, a, c, o.handler, &o.scope)
	return &answer{resp, a.Env.Now()}, err
}

// list is one call of ListInstances.
func list(ctx context.Context, a *app.App, c *app.Client, handler string, s *app.ScopeFlags) (*pb.ListInstancesResponse,
	error) {
	return app.Call(ctx, c, app.API.ListInstances, &pb.ListInstancesRequest{Handler: handler, Scope: a.Scope(s)})
}
