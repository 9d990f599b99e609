package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type labelOptions struct {
	scope       app.ScopeFlags
	filter      string
	filterGiven bool
}

func labelCommand(a *app.App) *cobra.Command {
	var o labelOptions
	cmd := &cobra.Command{
		Use:   "label ID... KEY=VALUE... KEY-... | --filter EXPR KEY=VALUE... KEY-...",
		Short: "Set and remove labels of connections",
		Long: `Set labels (KEY=VALUE) and remove them (KEY-). Every filter can read them: labels["room"] == "7".

A key has 1 to 63 of a-z, 0-9, dot, underscore and dash. A connection has at most 16 labels.`,
		Example: `  ctl label edge-1.19ab0d3f1c2.42 room=7 old-
  ctl label --filter 'remote_ip == "10.0.0.9"' tenant=a`,
		ValidArgsFunction: a.CompleteIDs(0),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			o.filterGiven = cmd.Flags().Changed("filter")
			return label(cmd.Context(), a, args, o)
		}),
	}
	cmd.Flags().StringVar(&o.filter, "filter", "", app.FilterHelp+", in place of IDs; true means all live ones")
	a.RegisterScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "filter")
	return cmd
}

func label(ctx context.Context, a *app.App, args []string, o labelOptions) error {
	req, err := labelRequest(args)
	if err != nil {
		return err
	}
	req.Filter = o.filter
	if err := app.Targets(req.ConnectionIds, o.filter, o.filterGiven); err != nil {
		return err
	}
	if err := o.scope.CheckIDs(req.ConnectionIds); err != nil {
		return err
	}
	req.Scope = a.Scope(&o.scope)
	resp, err := app.Ask(ctx, a, app.API.SetLabels, req)
	if err != nil {
		return err
	}
	if err := printLabels(a, req, resp); err != nil {
		return err
	}
	return a.Ending(resp.GetFleet(), labelResult(a, req, resp))
}

// labelResult prints the failures that a table lacks, and returns the exit code.
func labelResult(a *app.App, req *pb.SetLabelsRequest, resp *pb.SetLabelsResponse) int {
	a.SayFailures(resp.GetOutcomes())
	if req.GetFilter() == "" {
		return app.TallyOf(resp.GetOutcomes()).ExitCode()
	}
	if resp.GetMatched() == 0 {
		a.Say("no connection matches")
	}
	return countsExitCode(resp.GetMatched(), resp.GetLabeled())
}

// labelRequest tells IDs from changes: an ID has neither "=" nor a dash at its end.
func labelRequest(args []string) (*pb.SetLabelsRequest, error) {
	req := &pb.SetLabelsRequest{Set: map[string]string{}}
	for _, arg := range args {
		key, value, isSet := strings.Cut(arg, "=")
		removed, isRemove := strings.CutSuffix(arg, "-")
		switch {
		case isSet && key == "", isRemove && removed == "":
			return nil, app.Usagef("%q has no key; write KEY=VALUE to set a label and KEY- to remove one", arg)
		case isSet:
			if old, twice := req.Set[key]; twice && old != value {
				return nil, app.Usagef("label %q is given two values, %q and %q", key, old, value)
			}
			req.Set[key] = value
		case isRemove:
			req.Remove = append(req.Remove, removed)
		default:
			req.ConnectionIds = append(req.ConnectionIds, arg)
		}
	}
	for _, key := range req.Remove {
		if _, both := req.Set[key]; both {
			return nil, app.Usagef("label %q is both set and removed", key)
		}
	}
	if len(req.Set)+len(req.Remove) == 0 {
		return nil, app.Usagef("no label was given; write KEY=VALUE to set one and KEY- to remove one")
	}
	return req, nil
}

func printLabels(a *app.App, req *pb.SetLabelsRequest, resp *pb.SetLabelsResponse) error {
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	case a.Tabular() && req.GetFilter() != "":
		t := a.NewTable("MATCHED", "LABELED", "CLOSED", "NOT-FOUND", "REFUSED")
		t.Add(fmt.Sprint(resp.GetMatched()), fmt.Sprint(resp.GetLabeled()), fmt.Sprint(resp.GetClosed()),
			fmt.Sprint(resp.GetNotFound()), fmt.Sprint(resp.GetRefused()))
		if err := t.Flush(); err != nil {
			return err
		}
	default:
		if err := a.PrintOutcomes(resp.GetOutcomes()); err != nil {
			return err
		}
	}
	return a.PrintNodeResults(resp.GetFleet(), "matched", "labeled", "closed", "not_found", "refused")
}
