package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func getCommand(a *app.App) *cobra.Command {
	var s app.ScopeFlags
	cmd := &cobra.Command{
		Use:               "get ID...",
		Short:             "Show connections by their IDs, live or recently closed",
		Example:           "  ctl get edge-1.19ab0d3f1c2.42 -o yaml",
		Args:              app.AtLeastOne("an ID"),
		ValidArgsFunction: a.CompleteIDs(0),
		RunE:              a.RunE(func(cmd *cobra.Command, args []string) error { return get(cmd.Context(), a, args, &s) }),
	}
	a.RegisterIDScope(cmd, &s)
	return cmd
}

// get shows the connections that exist, and explains each other ID.
func get(ctx context.Context, a *app.App, ids []string, s *app.ScopeFlags) error {
	if err := app.CheckIDs(ids); err != nil {
		return err
	}
	if err := s.CheckIDs(ids); err != nil {
		return err
	}
	return a.WithClient(func(c *app.Client) error { return showConnections(ctx, a, c, ids, s) })
}

// showConnections asks for each ID and prints the connections that exist.
func showConnections(ctx context.Context, a *app.App, c *app.Client, ids []string, s *app.ScopeFlags) error {
	rows := a.NewConnectionRows(true, false)
	var result app.Tally
	var absent app.Absentees
	for _, id := range ids {
		resp, err := app.Call(ctx, c, app.API.GetConnection, &pb.GetConnectionRequest{Id: id, Scope: a.Scope(s)})
		code := app.ExitCode(err)
		if err != nil && code != app.ExitNotFound && code != app.ExitUsage && !app.AboutNode(err) {
			return err // it would be the same with every ID
		}
		result.Add(code)
		if err != nil {
			a.SayLines(naming(id, app.Explain(err))...)
			continue
		}
		absent.Add(resp.GetFleet())
		if err := rows.Add("", resp.GetConnection()); err != nil {
			return err
		}
	}
	if result.Done > 0 {
		if err := rows.Flush(); err != nil {
			return err
		}
	}
	a.SayAbsent(&absent)
	return app.ExitWith(absent.ExitCode(result.ExitCode()))
}

// naming is the message with the ID in front, unless the message names the ID.
func naming(id string, message []string) []string {
	if !slices.ContainsFunc(message, func(line string) bool { return strings.Contains(line, id) }) {
		message[0] = id + ": " + message[0]
	}
	return message
}
