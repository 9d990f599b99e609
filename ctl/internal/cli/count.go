package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type countOptions struct {
	scope  app.ScopeFlags
	filter string
	state  string
	by     string
}

func countCommand(a *app.App) *cobra.Command {
	var o countOptions
	cmd := &cobra.Command{
		Use:   "count",
		Short: "Count connections, in all or by listener, state or label",
		Long: `Count the connections that match. With --by it counts how many have each value of a field or
label, the largest group first, at most 1,000 groups. In a fleet it counts the connections of
all nodes, or of those that --node names. Nodes that did not answer are named, with exit code 3;
the others are counted all the same.

-o name prints the bare number, or with --by the values.`,
		Example: `  ctl count
  ctl count --filter 'idle > duration("5m")'
  ctl count --by labels.room
  ctl count --by handler_instance`,
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(cmd *cobra.Command, _ []string) error { return count(cmd.Context(), a, o) }),
	}
	cmd.Flags().StringVar(&o.filter, "filter", "", app.FilterHelp)
	cmd.Flags().StringVar(&o.state, "state", "live", "which connections: live, closed (the last 10,000) or all")
	cmd.Flags().StringVar(&o.by, "by", "",
		"count the connections of each `FIELD` value: listener, state, close_reason, remote_ip, handler_instance or "+
			"labels.KEY")
	a.RegisterScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "state", "live", "closed", "all")
	app.CompleteFlag(cmd, "by", "listener", "state", "close_reason", "remote_ip", "handler_instance", "labels.")
	app.CompleteFlag(cmd, "filter")
	return cmd
}

func count(ctx context.Context, a *app.App, o countOptions) error {
	state, err := parseState(o.state)
	if err != nil {
		return err
	}
	if err := o.scope.Check(); err != nil {
		return err
	}
	resp, err := app.Ask(ctx, a, app.API.CountConnections, &pb.CountConnectionsRequest{Filter: o.filter,
		State: state, By: o.by, Scope: a.Scope(&o.scope)})
	if err != nil {
		return err
	}
	if err := printCount(a, o.by, resp); err != nil {
		return err
	}
	if n := resp.GetOther(); n > 0 {
		a.Say("%s more, in smaller groups than these", app.Plural(n, "connection"))
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

func printCount(a *app.App, by string, resp *pb.CountConnectionsResponse) error {
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	case by != "":
		if err := printGroups(a, by, resp.GetGroups()); err != nil {
			return err
		}
		return a.PrintNodeResults(resp.GetFleet(), "count")
	case a.Output == app.FormatName:
		return a.PrintName(fmt.Sprint(resp.GetCount()))
	}
	header, cells := []string{"COUNT"}, []string{fmt.Sprint(resp.GetCount())}
	if a.Wide() {
		header, cells = append(header, "LIVE", "CURSOR"), append(cells, fmt.Sprint(resp.GetTotalSize()), resp.GetCursor())
	}
	t := a.NewTable(header...)
	t.Add(cells...)
	if err := t.Flush(); err != nil {
		return err
	}
	return a.PrintNodeResults(resp.GetFleet(), "count")
}

func printGroups(a *app.App, by string, groups []*pb.ConnectionGroup) error {
	if a.Output == app.FormatName {
		for _, g := range groups {
			if err := a.PrintName(g.GetValue()); err != nil {
				return err
			}
		}
		return nil
	}
	t := a.NewTable(strings.ToUpper(by), "COUNT")
	for _, g := range groups {
		t.Add(g.GetValue(), fmt.Sprint(g.GetCount()))
	}
	return t.Flush()
}
