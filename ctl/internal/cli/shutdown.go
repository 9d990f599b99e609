package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/events"
	"github.com/sockgate/sockgate/ctl/internal/textcode"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxGrace   = 24 * time.Hour
	shownNodes = 20 // how many nodes a question names
)

type shutdownOptions struct {
	scope      app.ScopeFlags
	grace      time.Duration
	graceGiven bool
	reason     string
	farewell   string
	yes        bool
	wait       bool
}

func shutdownCommand(a *app.App) *cobra.Command {
	var o shutdownOptions
	cmd := &cobra.Command{
		Use:   "shutdown",
		Short: "Drain the gateway and end its process",
		Long: `Drain the gateway and end its process. It stops accepting, connections may end by themselves
until the grace period is over, and the rest is closed. It asks for confirmation; without a
terminal it needs --yes. When a drain is under way already this joins it, and the earlier of the
two deadlines holds.

A fleet needs a target: --node NAME, --local for the gateway that is asked, or --all for every
node.

With --wait it prints the drain's progress and ends when the gateway has ended, or in a fleet
when the drains of those nodes have.`,
		Example: `  ctl shutdown --grace 1m --reason 'upgrade' --yes --wait
  ctl shutdown --node edge-2 --wait`,
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, _ []string) error {
			o.graceGiven = cmd.Flags().Changed("grace")
			return shutdown(cmd.Context(), a, o)
		}),
	}
	a.RegisterNode(cmd, &o.scope, "shut this `NODE` of the fleet down")
	o.scope.RegisterLocal(cmd, "shut the gateway that is asked down")
	f := cmd.Flags()
	f.BoolVar(&o.scope.All, "all", false, "shut every node of the fleet down")
	f.DurationVar(&o.grace, "grace", 0, "how long connections may end by themselves, up to 24h; 0s closes them at once "+
		"(default the gateway's drain timeout)")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record; it is not sent to peers")
	f.StringVar(&o.farewell, "farewell", "", "`TEXT` to send to every live connection when the drain begins")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.wait, "wait", false, "wait until the gateway has ended")
	return cmd
}

func shutdown(ctx context.Context, a *app.App, o shutdownOptions) error {
	req, err := o.request(a)
	if err != nil {
		return err
	}
	return a.WithClient(func(c *app.Client) error { return shutdownWith(ctx, a, c, req, &o) })
}

// shutdownWith asks for confirmation, starts the drain, and with --wait stays until it has ended.
func shutdownWith(ctx context.Context, a *app.App, c *app.Client, req *pb.ShutdownRequest,
	o *shutdownOptions) (err error) {
	if err := confirmShutdown(ctx, a, c, o); err != nil {
		return err
	}
	var before app.Moment
	if o.wait {
		// The stream begins before the drain, so that it has its first event.
		if before, err = a.Now(ctx, c, req.Scope); err != nil {
			return err
		}
	}
	resp, err := app.Call(ctx, c, app.API.Shutdown, req)
	if err != nil {
		return err
	}
	if err := printShutdown(a, resp); err != nil {
		return err
	}
	code := app.ExitCode(a.Ending(resp.GetFleet(), app.ExitDone))
	if !o.wait {
		return app.ExitWith(code)
	}
	if resp.GetFleet() == nil || o.scope.Local {
		err = awaitEnd(ctx, a, c, &pb.StreamEventsRequest{After: before.Cursor, Scope: req.Scope}, nil)
	} else {
		err = awaitDrains(ctx, a, c, before.Cursor, resp.GetFleet())
	}
	if err != nil {
		return err
	}
	return app.ExitWith(code)
}

// confirmShutdown asks, naming the gateway or the nodes to shut down.
func confirmShutdown(ctx context.Context, a *app.App, c *app.Client, o *shutdownOptions) error {
	if o.yes || !a.Env.StdinIsTerminal {
		return a.Confirm(ctx, o.yes, "")
	}
	what := "the gateway at " + c.Addr
	switch {
	case len(o.scope.Nodes) > 0:
		what = "the node " + o.scope.Nodes[0]
	case o.scope.All:
		nodes, err := app.KnownNodes(ctx, c)
		if err != nil {
			return err
		}
		what = allNodesText(nodes)
	}
	return a.Confirm(ctx, false, fmt.Sprintf("Shut %s down?", what))
}

// allNodesText is "ALL 3 nodes of the fleet (edge-1, edge-2, edge-3 which is UNREACHABLE)", with the first 20 names.
func allNodesText(nodes []*pb.Node) string {
	var names []string
	for _, n := range nodes {
		switch n.GetState() {
		case pb.NodeState_NODE_STATE_LEFT:
			continue
		case pb.NodeState_NODE_STATE_LIVE:
			names = append(names, n.GetName())
		default:
			names = append(names, n.GetName()+" which is "+app.NodeStateText(n.GetState()))
		}
	}
	all := len(names)
	if all > shownNodes {
		names = append(names[:shownNodes], fmt.Sprintf("and %d more", all-shownNodes))
	}
	return fmt.Sprintf("ALL %s of the fleet (%s)", app.Plural(uint64(all), "node"), strings.Join(names, ", "))
}

func (o *shutdownOptions) request(a *app.App) (*pb.ShutdownRequest, error) {
	if err := o.scope.Check(); err != nil {
		return nil, err
	}
	if len(o.scope.Nodes) > 1 {
		return nil, app.Usagef("--node is given %d times; shut down one node, or --all", len(o.scope.Nodes))
	}
	farewell, err := app.FarewellBytes(o.farewell)
	if err != nil {
		return nil, err
	}
	req := &pb.ShutdownRequest{Reason: o.reason, Farewell: farewell, Scope: a.Scope(&o.scope)}
	if o.graceGiven {
		if o.grace < 0 || o.grace > maxGrace {
			return nil, app.Usagef("--grace %s is out of bounds; give 0s to 24h", o.grace)
		}
		req.GracePeriod = durationpb.New(o.grace)
	}
	return req, nil
}

func printShutdown(a *app.App, resp *pb.ShutdownResponse) error {
	switch {
	case a.Structured():
		if err := a.PrintMessage(resp); err != nil {
			return err
		}
	case a.Tabular():
		drain := "started"
		if resp.GetJoined() {
			drain = "joined"
		}
		t := a.NewTable("DRAIN", "DEADLINE", "CONNECTIONS")
		t.Add(drain, a.TimeText(resp.GetDeadline()), fmt.Sprint(resp.GetConnections()))
		if err := t.Flush(); err != nil {
			return err
		}
		if err := a.PrintNodeResults(resp.GetFleet(), "connections"); err != nil {
			return err
		}
	}
	return a.Stdout.Flush()
}

// awaitDrains prints the events of these nodes' drains until all have ended, or the gateway that is asked has.
func awaitDrains(ctx context.Context, a *app.App, c *app.Client, cursor string, fleet *pb.FleetResult) error {
	d := newDrainWait(a, c, fleet)
	if len(d.left) == 0 {
		return nil
	}
	scope := &pb.Scope{Nodes: d.nodes(), NodeTimeout: durationpb.New(a.NodeTimeout())}
	if err := awaitEnd(ctx, a, c, &pb.StreamEventsRequest{After: cursor, Scope: scope}, d); err != nil {
		return err
	}
	d.sayUnseen()
	if d.lost {
		return app.ExitWith(app.ExitPartial)
	}
	return nil
}

// awaitEnd prints a drain's events until the gateway ends the stream, or until all drains of d have ended.
func awaitEnd(ctx context.Context, a *app.App, c *app.Client, req *pb.StreamEventsRequest, d *drainWait) error {
	req.Types = []pb.EventType{
		pb.EventType_EVENT_TYPE_DRAIN_STARTED,
		pb.EventType_EVENT_TYPE_DRAIN_PROGRESS,
		pb.EventType_EVENT_TYPE_DRAIN_ENDED,
	}
	printer := events.NewPrinter(a, textcode.EncodingUTF8)
	f := &app.Follower{App: a, Client: c, Request: req}
	f.Emit = func(batch []*pb.Event) error {
		printer.Several = f.Several
		return printEvents(a, printer, batch, newCountdown(0))
	}
	if d != nil {
		f.End = d.ended
		show := f.Emit
		f.Emit = func(batch []*pb.Event) error { d.see(batch); return show(batch) }
	}
	err := f.Run(ctx)
	var call *app.CallError
	if errors.As(err, &call) && call.Unreachable() && ctx.Err() == nil { // it has ended, as it was told
		a.Say("the gateway answers no more, as after its end; its last events were not seen")
		return nil
	}
	if err == nil && ctx.Err() != nil {
		return &app.ExitError{Code: app.ExitFailed, Err: fmt.Errorf("interrupted while waiting; the drain goes on")}
	}
	return err
}
