package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func (a *app) getCommand() *cobra.Command {
	var s scopeFlags
	cmd := &cobra.Command{
		Use:               "get ID...",
		Short:             "Show connections by their IDs, live or recently closed",
		Example:           "  ctl get edge-1.19ab0d3f1c2.42 -o yaml",
		Args:              atLeastOne("an ID"),
		ValidArgsFunction: a.completeIDs(0),
		RunE:              a.run(func(cmd *cobra.Command, args []string) error { return a.get(cmd.Context(), args, &s) }),
	}
	a.registerIDScope(cmd, &s)
	return cmd
}

// atLeastOne is cobra.MinimumNArgs(1) with a message that says what was expected.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageFor(cmd, usagef("%s expects at least %s, and was given none", cmd.Name(), what))
		}
		return nil
	}
}

// get shows what can be shown and tells of each ID that cannot.
func (a *app) get(ctx context.Context, ids []string, s *scopeFlags) error {
	if err := checkIDs(ids); err != nil {
		return err
	}
	if err := s.checkIDs(ids); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	rows := a.newConnectionRows(true, false)
	var result tally
	var absent absentees
	for _, id := range ids {
		resp, err := a.getOne(ctx, c, id, s)
		code := exitCode(err)
		if err != nil && code != exitNotFound && code != exitUsage && !aboutNode(err) {
			return err // it would be the same with every ID
		}
		result.add(code)
		if err != nil {
			a.say("%s", naming(id, explain(err)))
			continue
		}
		absent.add(resp.GetFleet())
		if err := rows.add("", resp.GetConnection()); err != nil {
			return err
		}
	}
	if result.done > 0 {
		if err := rows.flush(); err != nil {
			return err
		}
	}
	a.sayAbsent(&absent)
	return exitWith(absent.exitCode(result.exitCode()))
}

func (a *app) getOne(ctx context.Context, c *client, id string, s *scopeFlags) (*sockgatev1.GetConnectionResponse, error) {
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	return c.GetConnection(ctx, &sockgatev1.GetConnectionRequest{Id: id, Scope: a.scope(s)})
}

// naming is the message with the ID in front, unless it names the ID by itself.
func naming(id, message string) string {
	id = clean(id)
	if strings.Contains(message, id) {
		return message
	}
	return id + ": " + message
}
