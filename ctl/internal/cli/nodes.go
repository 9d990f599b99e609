package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const nodesLong = `List the nodes of the fleet as the gateway that is asked sees them. CONNECTIONS of another node
is the number of its last heartbeat, LAST-SEEN the time since then, and ROUND-TRIP the time of
its answer just now.

States: LIVE; DRAINING, it ends; SUSPECT, silent for 5 s; UNREACHABLE, silent for 10 s, and not
asked any more; LEFT, it announced its end; DISPLACED, only of the gateway that is asked:
another node has its name.

Exit codes: 0 done, in any states; 3 a node that is not UNREACHABLE did not answer just now.`

// nodesCommand is `ctl nodes`, which is `ctl node list` too.
func nodesCommand(a *app.App, use string) *cobra.Command {
	var s app.ScopeFlags
	cmd := &cobra.Command{
		Use:               use,
		Short:             "List the nodes of the fleet and their states",
		Long:              nodesLong,
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(cmd *cobra.Command, _ []string) error { return nodes(cmd.Context(), a, &s) }),
	}
	s.RegisterLocal(cmd, "only what the gateway that is asked knows, without asking any other")
	return cmd
}

// nodeCommand is the noun for nodes.
func nodeCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "List the nodes of the fleet, and forget one"}
	cmd.AddCommand(nodesCommand(a, "list"), nodeForgetCommand(a))
	return a.Noun(cmd, "do")
}

// nodes prints the nodes.
func nodes(ctx context.Context, a *app.App, s *app.ScopeFlags) error {
	resp, err := app.Ask(ctx, a, app.API.ListNodes, &pb.ListNodesRequest{Scope: a.Scope(s)})
	if err != nil {
		return err
	}
	rows := newNodeRows(a)
	for _, n := range resp.GetNodes() {
		if err := addNode(a, rows, n); err != nil {
			return err
		}
	}
	if err := rows.Flush(); err != nil {
		return err
	}
	absent := silentNodes(resp.GetFleet())
	a.SayAbsent(absent)
	return app.ExitWith(absent.ExitCode(app.ExitDone))
}

// silentNodes are the absentees, except those that were not asked because of their states.
func silentNodes(f *pb.FleetResult) *app.Absentees {
	var m app.Absentees
	for _, n := range f.GetNodes() {
		switch n.GetStatus() {
		case pb.NodeStatus_NODE_STATUS_OK, pb.NodeStatus_NODE_STATUS_UNREACHABLE,
			pb.NodeStatus_NODE_STATUS_LEFT:
		default:
			m.AddNode(n)
		}
	}
	return &m
}

// newNodeRows chooses the columns.
func newNodeRows(a *app.App) *app.Rows {
	header := []string{"NODE", "STATE", "VERSION", "CONNECTIONS", "LAST-SEEN", "ROUND-TRIP"}
	if a.Wide() {
		header = append(header, "INCARNATION", "UPTIME", "EVENT-HEAD", "ALLOWED", "CONTROL-ADDRESS")
	}
	return a.NewRows(header...)
}

// addNode adds one node.
func addNode(a *app.App, rows *app.Rows, n *pb.Node) error {
	seen := units.DurationText(n.GetLastSeen())
	if n.GetSelf() {
		seen = "self"
	}
	cells := []string{n.GetName(), app.NodeStateText(n.GetState()), n.GetVersion(), fmt.Sprint(n.GetConnections()), seen,
		units.DurationText(n.GetRoundTrip())}
	if a.Wide() {
		cells = append(cells, n.GetIncarnation(), units.DurationText(n.GetUptime()), fmt.Sprint(n.GetEventHead()),
			roleText(n.GetAllowed()), cmp.Or(n.GetControlAddress(), "-"))
	}
	return rows.Add(n, n.GetName(), cells...)
}

// forgetOptions are the flags of `ctl node forget`.
type forgetOptions struct {
	app.ScopeFlags
	yes bool
}

// nodeForgetCommand is `ctl node forget`.
func nodeForgetCommand(a *app.App) *cobra.Command {
	var o forgetOptions
	cmd := &cobra.Command{
		Use:   "forget NAME",
		Short: "Expect no more answers from a node that is gone",
		Long: `Take a node that is UNREACHABLE or has LEFT out of the nodes that are expected to answer, on the
gateway that is asked and on every node that answers. That happens by itself 10 minutes after
the node was last heard of. A node that is heard of again comes back by itself.

It asks for confirmation; without a terminal it needs --yes.

Exit codes: 0 done; 1 the node was heard of within 10 s; 3 some nodes could not be told; 4 there
is no such node.`,
		Example: "  ctl node forget edge-3 --yes",
		Args:    app.Exactly(1, "the NAME of one node"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion,
			cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.CompleteNodes(func() []string { return nil })(cmd, args, prefix)
		},
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error { return nodeForget(cmd.Context(), a, args[0], &o) }),
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	o.RegisterLocal(cmd, "only on the gateway that is asked, without telling any other")
	return cmd
}

// nodeForget forgets the node, and shows it.
func nodeForget(ctx context.Context, a *app.App, name string, o *forgetOptions) error {
	if err := app.CheckNode(name); err != nil {
		return err
	}
	if err := a.Confirm(ctx, o.yes, fmt.Sprintf("Forget the node %s?", name)); err != nil {
		return err
	}
	resp, err := app.Ask(ctx, a, app.API.ForgetNode, &pb.ForgetNodeRequest{Node: name,
		Scope: a.Scope(&o.ScopeFlags)})
	if err != nil {
		return err
	}
	if err := printForgotten(a, resp); err != nil {
		return err
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

// printForgotten shows the node's last known state, and which nodes were told.
func printForgotten(a *app.App, resp *pb.ForgetNodeResponse) error {
	if a.Structured() {
		return a.PrintMessage(resp)
	}
	rows := newNodeRows(a)
	if err := addNode(a, rows, resp.GetNode()); err != nil {
		return err
	}
	if err := rows.Flush(); err != nil {
		return err
	}
	return a.PrintNodeResults(resp.GetFleet())
}
