package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const nodesLong = `List the nodes of the fleet as the gateway that is asked sees them. Of another node CONNECTIONS is as of its last heartbeat,
LAST-SEEN how long ago that was, and ROUND-TRIP how long it takes to answer just now.

States: LIVE; DRAINING, it ends; SUSPECT, nothing was heard of it for 5 s; UNREACHABLE, for 10 s, and it is not asked any more; LEFT, it said
that it goes; DISPLACED, of the gateway that is asked alone: another node has its name.

Exit codes: 0 done, whatever the states; 3 a node that is not UNREACHABLE did not answer just now.`

// nodesCommand is `ctl nodes`, which is `ctl node list` too.
func (a *app) nodesCommand(use string) *cobra.Command {
	var s scopeFlags
	cmd := &cobra.Command{
		Use:               use,
		Short:             "List the nodes of the fleet, and how they are",
		Long:              nodesLong,
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.run(func(cmd *cobra.Command, _ []string) error { return a.nodes(cmd.Context(), &s) }),
	}
	s.registerLocal(cmd, "only what the gateway that is asked knows, without asking any other")
	return cmd
}

// nodeCommand is the noun for nodes.
func (a *app) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "List the nodes of the fleet, and forget one"}
	cmd.AddCommand(a.nodesCommand("list"), a.nodeForgetCommand())
	return a.noun(cmd)
}

// nodes prints the nodes.
func (a *app) nodes(ctx context.Context, s *scopeFlags) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.ListNodes(ctx, &sockgatev1.ListNodesRequest{Scope: a.scope(s)})
	if err != nil {
		return err
	}
	rows := a.newNodeRows()
	for _, n := range resp.GetNodes() {
		if err := rows.add(n); err != nil {
			return err
		}
	}
	if err := rows.flush(); err != nil {
		return err
	}
	absent := silentNodes(resp.GetFleet())
	a.sayAbsent(absent)
	return exitWith(absent.exitCode(exitDone))
}

// silentNodes are the absentees but for those whose states say already that they were not asked.
func silentNodes(f *sockgatev1.FleetResult) *absentees {
	var m absentees
	for _, n := range f.GetNodes() {
		switch n.GetStatus() {
		case sockgatev1.NodeStatus_NODE_STATUS_OK, sockgatev1.NodeStatus_NODE_STATUS_UNREACHABLE, sockgatev1.NodeStatus_NODE_STATUS_LEFT:
		default:
			m.addNode(n)
		}
	}
	return &m
}

// nodeRows prints nodes in any format.
type nodeRows struct {
	app   *app
	table *table
}

// newNodeRows chooses the columns.
func (a *app) newNodeRows() *nodeRows {
	header := []string{"NODE", "STATE", "VERSION", "CONNECTIONS", "LAST-SEEN", "ROUND-TRIP"}
	if a.wide() {
		header = append(header, "INCARNATION", "UPTIME", "EVENT-HEAD", "ALLOWED")
	}
	return &nodeRows{app: a, table: a.newTable(header...)}
}

// add prints one node, or holds it for the table's flush.
func (r *nodeRows) add(n *sockgatev1.Node) error {
	a := r.app
	switch {
	case a.structured():
		return a.printMessage(n)
	case a.output == formatName:
		return a.printName(clean(n.GetName()))
	}
	seen := durationText(n.GetLastSeen())
	if n.GetSelf() {
		seen = "self"
	}
	cells := []string{n.GetName(), nodeStateText(n.GetState()), n.GetVersion(), fmt.Sprint(n.GetConnections()), seen, durationText(n.GetRoundTrip())}
	if a.wide() {
		cells = append(cells, n.GetIncarnation(), durationText(n.GetUptime()), fmt.Sprint(n.GetEventHead()), roleText(n.GetAllowed()))
	}
	r.table.add(cells...)
	return nil
}

// flush makes everything that was added visible.
func (r *nodeRows) flush() error {
	if r.app.tabular() {
		if err := r.table.flush(); err != nil {
			return err
		}
	}
	return r.app.stdout.Flush()
}

func nodeStateText(s sockgatev1.NodeState) string { return enumText(s.String(), "NODE_STATE_") }

// forgetOptions are the flags of `ctl node forget`.
type forgetOptions struct {
	scopeFlags
	yes bool
}

// nodeForgetCommand is `ctl node forget`.
func (a *app) nodeForgetCommand() *cobra.Command {
	var o forgetOptions
	cmd := &cobra.Command{
		Use:   "forget NAME",
		Short: "Expect no answer any more of a node that is gone",
		Long: `Take a node that is UNREACHABLE or has LEFT out of those that are expected to answer, on the gateway that is asked and on every node
that answers. That happens by itself 10 minutes after it was last heard of. A node that is heard of again comes back by itself.

It asks for confirmation; without a terminal it needs --yes.

Exit codes: 0 done; 1 the node was heard of within 10 s; 3 some nodes could not be told; 4 there is no such node.`,
		Example: "  ctl node forget edge-3 --yes",
		Args:    exactly(1, "the NAME of one node"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeNodes(func() []string { return nil })(cmd, args, prefix)
		},
		RunE: a.run(func(cmd *cobra.Command, args []string) error { return a.nodeForget(cmd.Context(), args[0], &o) }),
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	o.registerLocal(cmd, "only on the gateway that is asked, without telling any other")
	return cmd
}

// nodeForget forgets the node, and shows what was known of it.
func (a *app) nodeForget(ctx context.Context, name string, o *forgetOptions) error {
	if err := checkNode(name); err != nil {
		return err
	}
	if err := a.confirm(ctx, o.yes, fmt.Sprintf("Forget the node %s?", name)); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.ForgetNode(ctx, &sockgatev1.ForgetNodeRequest{Node: name, Scope: a.scope(&o.scopeFlags)})
	if err != nil {
		return err
	}
	if err := a.printForgotten(resp); err != nil {
		return err
	}
	return a.ending(resp.GetFleet(), exitDone)
}

// printForgotten shows the node as it was last known, and who was told.
func (a *app) printForgotten(resp *sockgatev1.ForgetNodeResponse) error {
	if a.structured() {
		return a.printMessage(resp)
	}
	rows := a.newNodeRows()
	if err := rows.add(resp.GetNode()); err != nil {
		return err
	}
	if err := rows.flush(); err != nil {
		return err
	}
	return a.printNodeResults(resp.GetFleet())
}
