package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func getCommand(a *app.App) *cobra.Command {
	var s app.ScopeFlags
	cmd := &cobra.Command{
		Use:               "get ID...",
		Short:             "Show connections by their IDs, live or recently closed",
		Example:           "  ctl get edge-1.19ab0d3f1c2.42 -o yaml",
		Args:              atLeastOne("an ID"),
		ValidArgsFunction: a.CompleteIDs(0),
		RunE:              a.Run(func(cmd *cobra.Command, args []string) error { return get(a, cmd.Context(), args, &s) }),
	}
	a.RegisterIDScope(cmd, &s)
	return cmd
}

// atLeastOne is cobra.MinimumNArgs(1) with a message that says what was expected.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return app.UsageFor(cmd, app.Usagef("%s expects at least %s, and was given none", cmd.Name(), what))
		}
		return nil
	}
}

// get shows what can be shown and tells of each ID that cannot.
func get(a *app.App, ctx context.Context, ids []string, s *app.ScopeFlags) error {
	if err := app.CheckIDs(ids); err != nil {
		return err
	}
	if err := s.CheckIDs(ids); err != nil {
		return err
	}
	c, err := a.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	rows := a.NewConnectionRows(true, false)
	var result app.Tally
	var absent app.Absentees
	for _, id := range ids {
		resp, err := getOne(a, ctx, c, id, s)
		code := app.ExitCode(err)
		if err != nil && code != app.ExitNotFound && code != app.ExitUsage && !app.AboutNode(err) {
			return err // it would be the same with every ID
		}
		result.Add(code)
		if err != nil {
			a.Say("%s", naming(id, app.Explain(err)))
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

func getOne(a *app.App, ctx context.Context, c *app.Client, id string, s *app.ScopeFlags) (*sockgatev1.GetConnectionResponse, error) {
	ctx, cancel := a.Within(ctx, 0)
	defer cancel()
	return c.GetConnection(ctx, &sockgatev1.GetConnectionRequest{Id: id, Scope: a.Scope(s)})
}

// naming is the message with the ID in front, unless it names the ID by itself.
func naming(id, message string) string {
	id = app.Clean(id)
	if strings.Contains(message, id) {
		return message
	}
	return id + ": " + message
}
