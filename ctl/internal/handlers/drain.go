package handlers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The contract's bounds of a drain.
const (
	defaultDrain = 30 * time.Second
	maxDrain     = time.Hour
	maxReason    = 256
)

const drainLong = `Drain an instance of a remote handler: it gets no new connection, and its connections move to
other instances, each when nothing of it is unacknowledged, and at the end of --timeout all the
same. The answer comes at once; ctl handlers shows how far it is. Without --handler, ctl looks
for the one handler that has such an instance.

--timeout is here the time of the drain, and does not bound the call.

It asks for confirmation; without a terminal it needs --yes. It warns when no other instance
takes the connections: they are held then, and close when no instance attaches in time.

Exit codes: 0 it drains; 2 usage, or several handlers have such an instance; 3 nodes of the fleet
did not answer; 4 there is no such instance.`

type drainOptions struct {
	scope   app.ScopeFlags
	handler string
	timeout time.Duration
	reason  string
	yes     bool
	warned  bool // that nothing takes the connections
}

// drainCommand is `ctl handlers drain`.
func drainCommand(a *app.App) *cobra.Command {
	var o drainOptions
	cmd := &cobra.Command{
		Use:   "drain INSTANCE",
		Short: "Move the connections of an instance to others",
		Long:  drainLong,
		Example: `  ctl handlers drain pod-7
  ctl handlers drain pod-7 --handler jt808 --timeout 2m --reason 'new version' --yes`,
		Args: app.Exactly(1, "the name of one INSTANCE"),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error { return drain(cmd.Context(), a, args[0], &o) }),
	}
	cmd.ValidArgsFunction = completeInstances(a, &o.handler)
	f := cmd.Flags()
	f.DurationVar(&o.timeout, "timeout", defaultDrain, "time for the connections to move, up to 1h; 0 moves all at once")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	registerHandler(a, cmd, &o.handler, "the `NAME` of its handler (default the one that has such an instance)")
	a.RegisterScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "timeout")
	app.CompleteFlag(cmd, "reason")
	return cmd
}

// check refuses words that cannot be meant.
func (o *drainOptions) check(instance string) error {
	switch {
	case !app.InstanceName.MatchString(instance):
		return app.Usagef("%.80q is no instance's name; expected 1 to 64 of A-Z, a-z, 0-9, ., _ and -, as ctl handlers "+
			"shows them", instance)
	case o.timeout < 0 || o.timeout > maxDrain:
		return app.Usagef("--timeout %s is out of bounds; give 0 to %s", o.timeout, units.ExactDuration(maxDrain))
	case len(o.reason) > maxReason:
		return app.Usagef("--reason has %d bytes; the limit is %d", len(o.reason), maxReason)
	}
	if err := checkHandler(o.handler); err != nil {
		return err
	}
	return o.scope.Check()
}

// drain finds the instance, asks for confirmation, and drains.
func drain(ctx context.Context, a *app.App, instance string, o *drainOptions) error {
	if err := o.check(instance); err != nil {
		return err
	}
	if !o.yes && !a.Env.StdinIsTerminal {
		return app.NeedYes()
	}
	return a.WithClient(func(c *app.Client) error {
		if !o.yes || o.handler == "" {
			if err := o.find(ctx, a, c, instance); err != nil {
				return err
			}
		}
		return o.call(ctx, a, c, instance)
	})
}

// find looks the instance up, keeps its handler, and asks for confirmation.
func (o *drainOptions) find(ctx context.Context, a *app.App, c *app.Client, instance string) error {
	resp, err := list(ctx, a, c, o.handler, &o.scope)
	if err != nil {
		return err
	}
	absent := app.AbsentFrom(resp.GetFleet())
	t := newTarget(instance, resp)
	if len(t.handlers) != 1 {
		a.SayAbsent(absent)
		return t.refusal(o.handler, absent)
	}
	o.handler = t.handlers[0]
	if o.yes {
		return nil // the reply will name the nodes that do not answer
	}
	a.SayAbsent(absent)
	if len(t.lonely) > 0 {
		o.warn(a, " on "+strings.Join(t.lonely, ", "))
	}
	return a.Confirm(ctx, false, t.question(o.handler, resp.GetFleet() != nil))
}

// target is the instance to drain, on all nodes of an answer.
type target struct {
	instance           string
	handlers           []string // that have an instance of this name
	nodes              []string
	lonely             []string // the nodes where no other instance takes its connections
	lanes, connections uint64
}

func newTarget(instance string, resp *pb.ListInstancesResponse) *target {
	t := &target{instance: instance}
	for _, i := range resp.GetInstances() {
		if i.GetInstance() != instance {
			continue
		}
		t.add(i)
		if !relieved(i, resp.GetInstances()) {
			t.lonely = append(t.lonely, i.GetNode())
		}
	}
	return t
}

// relieved reports whether another instance of the handler is on the node and does not drain.
func relieved(leaving *pb.Instance, all []*pb.Instance) bool {
	return slices.ContainsFunc(all, func(i *pb.Instance) bool {
		return i.GetInstance() != leaving.GetInstance() && i.GetHandler() == leaving.GetHandler() &&
			i.GetNode() == leaving.GetNode() && !i.GetDraining()
	})
}

func (t *target) add(i *pb.Instance) {
	if !slices.Contains(t.handlers, i.GetHandler()) {
		t.handlers = append(t.handlers, i.GetHandler())
	}
	t.nodes = append(t.nodes, i.GetNode())
	t.lanes += uint64(i.GetLanes())
	t.connections += i.GetConnections()
}

// question asks whether to drain.
func (t *target) question(handler string, fleet bool) string {
	on := ""
	if fleet {
		on = " on " + app.Plural(uint64(len(t.nodes)), "node")
	}
	return fmt.Sprintf("Drain %s of %s (%s, %s)%s?", t.instance, handler, app.Plural(t.lanes, "lane"),
		app.Plural(t.connections, "connection"), on)
}

// refusal says why it is not known which instance is meant. Nodes that did not answer may have it.
func (t *target) refusal(handler string, absent *app.Absentees) error {
	if len(t.handlers) > 1 {
		return app.Usagef("%s is an instance of %s; say which with --handler", t.instance, strings.Join(t.handlers, ", "))
	}
	of, where := "", ""
	if handler != "" {
		of = " of " + handler
	}
	code := app.ExitNotFound
	if absent.Any() {
		code, where = app.ExitPartial, " to the nodes that answered"
	}
	return &app.ExitError{Code: code, Err: fmt.Errorf("no instance %s%s is attached%s; ctl handlers shows the instances",
		t.instance, of, where)}
}

// call drains, and shows the effect.
func (o *drainOptions) call(ctx context.Context, a *app.App, c *app.Client, instance string) error {
	resp, err := app.Call(ctx, c, app.API.DrainInstance, &pb.DrainInstanceRequest{Handler: o.handler, Instance: instance,
		Timeout: durationpb.New(o.timeout), Reason: o.reason, Scope: a.Scope(&o.scope)})
	if err != nil {
		return err
	}
	if err := printDrain(a, instance, resp); err != nil {
		return err
	}
	if resp.GetOtherLanes() == 0 && !o.warned {
		o.warn(a, "")
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

// warn says that nothing takes the connections.
func (o *drainOptions) warn(a *app.App, where string) {
	o.warned = true
	a.Say("%s has no other instance%s that does not drain: connections that are left at the end of the time are held "+
		"until one attaches, and close when none does in time", o.handler, where)
}

// printDrain shows what drains.
func printDrain(a *app.App, instance string, resp *pb.DrainInstanceResponse) error {
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	case a.Output == app.FormatName:
		return a.PrintName(instance)
	}
	t := a.NewTable("INSTANCE", "LANES", "CONNECTIONS", "OTHER-LANES")
	t.Add(instance, fmt.Sprint(resp.GetLanes()), fmt.Sprint(resp.GetConnections()), fmt.Sprint(resp.GetOtherLanes()))
	if err := t.Flush(); err != nil {
		return err
	}
	return a.PrintNodeResults(resp.GetFleet(), "lanes", "connections", "other_lanes")
}
