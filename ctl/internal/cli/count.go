package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type countOptions struct {
	scope  scopeFlags
	filter string
	state  string
	by     string
}

func (a *app) countCommand() *cobra.Command {
	var o countOptions
	cmd := &cobra.Command{
		Use:   "count",
		Short: "Count connections, in all or by listener, state or label",
		Long: `Count connections: those that match, and with --by how many have each value of a field or label, the largest
group first, at most 1,000 of them. In a fleet they are those of all nodes, or of those that --node names; what the nodes that answered
have is counted also when others did not, which are named, with exit code 3.

-o name prints the bare number, or with --by the values.`,
		Example: `  ctl count
  ctl count --filter 'idle > duration("5m")'
  ctl count --by labels.room`,
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.run(func(cmd *cobra.Command, _ []string) error { return a.count(cmd.Context(), o) }),
	}
	cmd.Flags().StringVar(&o.filter, "filter", "", filterHelp)
	cmd.Flags().StringVar(&o.state, "state", "live", "which connections: live, closed (the last 10,000) or all")
	cmd.Flags().StringVar(&o.by, "by", "", "count the connections of each `FIELD` value: listener, state, close_reason, remote_ip or labels.KEY")
	a.registerScope(cmd, &o.scope)
	completeFlag(cmd, "state", "live", "closed", "all")
	completeFlag(cmd, "by", "listener", "state", "close_reason", "remote_ip", "labels.")
	completeFlag(cmd, "filter")
	return cmd
}

func (a *app) count(ctx context.Context, o countOptions) error {
	state, err := parseState(o.state)
	if err != nil {
		return err
	}
	if err := o.scope.check(); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.CountConnections(ctx, &sockgatev1.CountConnectionsRequest{Filter: o.filter, State: state, By: o.by, Scope: a.scope(&o.scope)})
	if err != nil {
		return err
	}
	if err := a.printCount(o.by, resp); err != nil {
		return err
	}
	if n := resp.GetOther(); n > 0 {
		a.say("%s more, in smaller groups than these", plural(n, "connection"))
	}
	return a.ending(resp.GetFleet(), exitDone)
}

func (a *app) printCount(by string, resp *sockgatev1.CountConnectionsResponse) error {
	switch {
	case a.structured():
		return a.printMessage(resp)
	case by != "":
		if err := a.printGroups(by, resp.GetGroups()); err != nil {
			return err
		}
		return a.printNodeResults(resp.GetFleet(), "count")
	case a.output == formatName:
		return a.printName(fmt.Sprint(resp.GetCount()))
	}
	header, cells := []string{"COUNT"}, []string{fmt.Sprint(resp.GetCount())}
	if a.wide() {
		header, cells = append(header, "LIVE", "CURSOR"), append(cells, fmt.Sprint(resp.GetTotalSize()), resp.GetCursor())
	}
	t := a.newTable(header...)
	t.add(cells...)
	if err := t.flush(); err != nil {
		return err
	}
	return a.printNodeResults(resp.GetFleet(), "count")
}

func (a *app) printGroups(by string, groups []*sockgatev1.ConnectionGroup) error {
	if a.output == formatName {
		for _, g := range groups {
			if err := a.printName(clean(g.GetValue())); err != nil {
				return err
			}
		}
		return nil
	}
	t := a.newTable(strings.ToUpper(by), "COUNT")
	for _, g := range groups {
		t.add(g.GetValue(), fmt.Sprint(g.GetCount()))
	}
	return t.flush()
}
