package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type labelOptions struct {
	scope       scopeFlags
	filter      string
	filterGiven bool
}

func (a *app) labelCommand() *cobra.Command {
	var o labelOptions
	cmd := &cobra.Command{
		Use:   "label ID... KEY=VALUE... KEY-... | --filter EXPR KEY=VALUE... KEY-...",
		Short: "Set and remove labels of connections",
		Long: `Set labels (KEY=VALUE) and remove them (KEY-). Every filter can read them: labels["room"] == "7".

A key has 1 to 63 of a-z, 0-9, dot, underscore and dash. A connection has at most 16 labels.`,
		Example: `  ctl label edge-1.19ab0d3f1c2.42 room=7 old-
  ctl label --filter 'remote_ip == "10.0.0.9"' tenant=a`,
		ValidArgsFunction: a.completeIDs(0),
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			o.filterGiven = cmd.Flags().Changed("filter")
			return a.label(cmd.Context(), args, o)
		}),
	}
	cmd.Flags().StringVar(&o.filter, "filter", "", filterHelp+", in place of IDs; true means all live ones")
	a.registerScope(cmd, &o.scope)
	completeFlag(cmd, "filter")
	return cmd
}

func (a *app) label(ctx context.Context, args []string, o labelOptions) error {
	req, err := labelRequest(args)
	if err != nil {
		return err
	}
	req.Filter = o.filter
	if err := targets(req.ConnectionIds, o.filter, o.filterGiven); err != nil {
		return err
	}
	if err := o.scope.checkIDs(req.ConnectionIds); err != nil {
		return err
	}
	req.Scope = a.scope(&o.scope)
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	callCtx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.SetLabels(callCtx, req)
	if err != nil {
		return err
	}
	if err := a.printLabels(req, resp); err != nil {
		return err
	}
	return a.ending(resp.GetFleet(), a.labelResult(req, resp))
}

// labelResult says what a table does not, and returns the exit code.
func (a *app) labelResult(req *sockgatev1.SetLabelsRequest, resp *sockgatev1.SetLabelsResponse) int {
	a.sayFailures(resp.GetOutcomes())
	if req.GetFilter() == "" {
		return tallyOf(resp.GetOutcomes()).exitCode()
	}
	if resp.GetMatched() == 0 {
		a.say("no connection matches")
	}
	return countsExitCode(resp.GetMatched(), resp.GetLabeled())
}

// labelRequest tells IDs from changes: an ID has neither "=" nor a dash at its end.
func labelRequest(args []string) (*sockgatev1.SetLabelsRequest, error) {
	req := &sockgatev1.SetLabelsRequest{Set: map[string]string{}}
	for _, arg := range args {
		key, value, isSet := strings.Cut(arg, "=")
		removed, isRemove := strings.CutSuffix(arg, "-")
		switch {
		case isSet && key == "", isRemove && removed == "":
			return nil, usagef("%q has no key; write KEY=VALUE to set a label and KEY- to remove one", arg)
		case isSet:
			if old, twice := req.Set[key]; twice && old != value {
				return nil, usagef("label %q is given two values, %q and %q", key, old, value)
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
			return nil, usagef("label %q is both set and removed", key)
		}
	}
	if len(req.Set)+len(req.Remove) == 0 {
		return nil, usagef("no label was given; write KEY=VALUE to set one and KEY- to remove one")
	}
	return req, nil
}

func (a *app) printLabels(req *sockgatev1.SetLabelsRequest, resp *sockgatev1.SetLabelsResponse) error {
	switch {
	case a.structured():
		return a.printMessage(resp)
	case a.tabular() && req.GetFilter() != "":
		t := a.newTable("MATCHED", "LABELED", "CLOSED", "NOT-FOUND", "REFUSED")
		t.add(fmt.Sprint(resp.GetMatched()), fmt.Sprint(resp.GetLabeled()), fmt.Sprint(resp.GetClosed()),
			fmt.Sprint(resp.GetNotFound()), fmt.Sprint(resp.GetRefused()))
		if err := t.flush(); err != nil {
			return err
		}
	default:
		if err := a.printOutcomes(resp.GetOutcomes()); err != nil {
			return err
		}
	}
	return a.printNodeResults(resp.GetFleet(), "matched", "labeled", "closed", "not_found", "refused")
}
