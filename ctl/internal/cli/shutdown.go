package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxGrace   = 24 * time.Hour
	shownNodes = 20 // how many nodes a question names
)

type shutdownOptions struct {
	scope      scopeFlags
	grace      time.Duration
	graceGiven bool
	reason     string
	farewell   string
	yes        bool
	wait       bool
}

func (a *app) shutdownCommand() *cobra.Command {
	var o shutdownOptions
	cmd := &cobra.Command{
		Use:   "shutdown",
		Short: "Drain the gateway and end its process",
		Long: `Drain the gateway and end its process: it stops accepting, connections may end by themselves until the grace period is
over, and the rest is closed. It asks for confirmation; without a terminal it needs --yes. When a drain is under way
already this joins it, and the earlier deadline of the two holds.

In a fleet it has to be said what is shut down: --node NAME, --local for the gateway that is asked, or --all for every node.

With --wait it prints how the drain goes and ends when the gateway has, or in a fleet when the drains of those nodes have.`,
		Example: `  ctl shutdown --grace 1m --reason 'upgrade' --yes --wait
  ctl shutdown --node edge-2 --wait`,
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(cmd *cobra.Command, _ []string) error {
			o.graceGiven = cmd.Flags().Changed("grace")
			return a.shutdown(cmd.Context(), o)
		}),
	}
	a.registerNode(cmd, &o.scope, "shut this `NODE` of the fleet down")
	o.scope.registerLocal(cmd, "shut the gateway that is asked down")
	f := cmd.Flags()
	f.BoolVar(&o.scope.all, "all", false, "shut every node of the fleet down")
	f.DurationVar(&o.grace, "grace", 0, "how long connections may end by themselves, up to 24h; 0s closes them at once (default the gateway's drain timeout)")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record; it is not sent to peers")
	f.StringVar(&o.farewell, "farewell", "", "`TEXT` to send to every live connection when the drain begins")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.wait, "wait", false, "wait until the gateway has ended")
	return cmd
}

func (a *app) shutdown(ctx context.Context, o shutdownOptions) error {
	req, err := o.request(a)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	if err := a.confirmShutdown(ctx, c, &o); err != nil {
		return err
	}
	var before moment
	if o.wait {
		// From before the drain, so that not even its first event is missed.
		if before, err = a.now(ctx, c, req.Scope); err != nil {
			return err
		}
	}
	callCtx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.Shutdown(callCtx, req)
	if err != nil {
		return err
	}
	if err := a.printShutdown(resp); err != nil {
		return err
	}
	code := exitCode(a.ending(resp.GetFleet(), exitDone))
	if !o.wait {
		return exitWith(code)
	}
	if resp.GetFleet() == nil || o.scope.local {
		err = a.awaitEnd(ctx, c, &sockgatev1.StreamEventsRequest{After: before.cursor, Scope: req.Scope}, nil)
	} else {
		err = a.awaitDrains(ctx, c, before.cursor, resp.GetFleet())
	}
	if err != nil {
		return err
	}
	return exitWith(code)
}

// confirmShutdown asks, naming what is shut down.
func (a *app) confirmShutdown(ctx context.Context, c *client, o *shutdownOptions) error {
	if o.yes || !a.env.StdinIsTerminal {
		return a.confirm(ctx, o.yes, "")
	}
	what := "the gateway at " + c.addr
	switch {
	case len(o.scope.nodes) > 0:
		what = "the node " + o.scope.nodes[0]
	case o.scope.all:
		callCtx, cancel := a.within(ctx, 0)
		defer cancel()
		nodes, err := knownNodes(callCtx, c)
		if err != nil {
			return err
		}
		what = allNodesText(nodes)
	}
	return a.confirm(ctx, false, fmt.Sprintf("Shut %s down?", what))
}

// allNodesText is "ALL 3 nodes of the fleet (edge-1, edge-2, edge-3 which is UNREACHABLE)", with the first 20 names.
func allNodesText(nodes []*sockgatev1.Node) string {
	var names []string
	for _, n := range nodes {
		switch n.GetState() {
		case sockgatev1.NodeState_NODE_STATE_LEFT:
			continue
		case sockgatev1.NodeState_NODE_STATE_LIVE:
			names = append(names, clean(n.GetName()))
		default:
			names = append(names, clean(n.GetName())+" which is "+nodeStateText(n.GetState()))
		}
	}
	all := len(names)
	if all > shownNodes {
		names = append(names[:shownNodes], fmt.Sprintf("and %d more", all-shownNodes))
	}
	return fmt.Sprintf("ALL %s of the fleet (%s)", plural(uint64(all), "node"), strings.Join(names, ", "))
}

func (o *shutdownOptions) request(a *app) (*sockgatev1.ShutdownRequest, error) {
	if err := o.scope.check(); err != nil {
		return nil, err
	}
	if len(o.scope.nodes) > 1 {
		return nil, usagef("--node is given %d times; shut down one node, or --all", len(o.scope.nodes))
	}
	farewell, err := farewellBytes(o.farewell)
	if err != nil {
		return nil, err
	}
	req := &sockgatev1.ShutdownRequest{Reason: o.reason, Farewell: farewell, Scope: a.scope(&o.scope)}
	if o.graceGiven {
		if o.grace < 0 || o.grace > maxGrace {
			return nil, usagef("--grace %s is out of bounds; give 0s to 24h", o.grace)
		}
		req.GracePeriod = durationpb.New(o.grace)
	}
	return req, nil
}

func (a *app) printShutdown(resp *sockgatev1.ShutdownResponse) error {
	switch {
	case a.structured():
		if err := a.printMessage(resp); err != nil {
			return err
		}
	case a.tabular():
		drain := "started"
		if resp.GetJoined() {
			drain = "joined"
		}
		t := a.newTable("DRAIN", "DEADLINE", "CONNECTIONS")
		t.add(drain, a.timeText(resp.GetDeadline()), fmt.Sprint(resp.GetConnections()))
		if err := t.flush(); err != nil {
			return err
		}
		if err := a.printNodeResults(resp.GetFleet(), "connections"); err != nil {
			return err
		}
	}
	return a.stdout.Flush()
}

// awaitDrains prints the events of these nodes' drains until all have ended, or the gateway that is asked has.
func (a *app) awaitDrains(ctx context.Context, c *client, cursor string, fleet *sockgatev1.FleetResult) error {
	d := a.newDrainWait(c, fleet)
	if len(d.left) == 0 {
		return nil
	}
	scope := &sockgatev1.Scope{Nodes: d.nodes(), NodeTimeout: durationpb.New(a.nodeTimeout())}
	if err := a.awaitEnd(ctx, c, &sockgatev1.StreamEventsRequest{After: cursor, Scope: scope}, d); err != nil {
		return err
	}
	d.sayUnseen()
	if d.lost {
		return exitWith(exitPartial)
	}
	return nil
}

// awaitEnd prints a drain's events until the gateway ends the stream, or all has been seen that d waits for.
func (a *app) awaitEnd(ctx context.Context, c *client, req *sockgatev1.StreamEventsRequest, d *drainWait) error {
	req.Types = []sockgatev1.EventType{
		sockgatev1.EventType_EVENT_TYPE_DRAIN_STARTED,
		sockgatev1.EventType_EVENT_TYPE_DRAIN_PROGRESS,
		sockgatev1.EventType_EVENT_TYPE_DRAIN_ENDED,
	}
	printer := a.newEventPrinter(encodingUTF8)
	f := &follower{app: a, client: c, request: req}
	f.emit = func(events []*sockgatev1.Event) error {
		printer.several = f.several
		return a.printEvents(printer, events, newCountdown(0))
	}
	if d != nil {
		f.end = d.ended
		show := f.emit
		f.emit = func(events []*sockgatev1.Event) error { d.see(events); return show(events) }
	}
	err := f.run(ctx)
	var call *callError
	if errors.As(err, &call) && call.unreachable() && ctx.Err() == nil { // it has done what it said it would
		a.say("the gateway answers no more, as after its end; its last events were not seen")
		return nil
	}
	if err == nil && ctx.Err() != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("interrupted while waiting; the drain goes on")}
	}
	return err
}
