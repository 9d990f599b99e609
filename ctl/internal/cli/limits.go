package cli

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const limitsSetLong = `Change limits of the running gateway: all that are given, or none of them. They hold at once for what comes, and until the process
ends; to keep one, give the gateway its flag as well. Live connections stay, also where there are more of them than a new limit
allows.

Bytes are written 65536, 64KiB or 1MiB; durations 30s or 5m; networks in CIDR form, or one address, separated by commas; counts of
listeners games=50,main=100, which replaces all of them. none takes a limit away; handshake-timeout and max-handshakes, which there
must be, become what they are by default.`

// limitsCommand is the noun; its verbs are get and set.
func (a *app) limitsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "limits", Short: "Show and change the gateway's limits"}
	get := &cobra.Command{
		Use:               "get [NAME...]",
		Short:             "Show the limits in force, or those that are named",
		Example:           "  ctl limits get\n  ctl limits get max-connections receive-rate",
		ValidArgsFunction: completeLimits(limitField.name),
		RunE:              a.run(func(cmd *cobra.Command, args []string) error { return a.limitsGet(cmd.Context(), args) }),
	}
	set := &cobra.Command{
		Use:   "set NAME=VALUE...",
		Short: "Change limits of the running gateway",
		Long:  limitsSetLong,
		Example: `  ctl limits set max-connections=100 receive-rate=64KiB idle-timeout=5m accept-rate=2.5
  ctl limits set allow=10.0.0.0/8,192.168.0.0/16 deny= listener-connections=games=50,main=100`,
		Args:              atLeastOne("one NAME=VALUE"),
		ValidArgsFunction: completeLimits(limitField.assignment),
		RunE:              a.run(func(cmd *cobra.Command, args []string) error { return a.limitsSet(cmd.Context(), args) }),
	}
	cmd.AddCommand(get, set)
	return a.noun(cmd)
}

// noun makes a command that does nothing without one of its verbs.
func (a *app) noun(cmd *cobra.Command) *cobra.Command {
	var verbs []string
	for _, sub := range cmd.Commands() {
		verbs = append(verbs, sub.Name())
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = a.run(func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs to know what to do: one of %s", cmd.Name(), strings.Join(verbs, ", "))
		}
		return usagef("%s %q is not known; use one of %s", cmd.Name(), args[0], strings.Join(verbs, ", "))
	})
	return cmd
}

// limitsGet prints the limits of these names; all for none.
func (a *app) limitsGet(ctx context.Context, names []string) error {
	fields, err := findLimits(names)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.GetLimits(ctx, &sockgatev1.GetLimitsRequest{})
	if err != nil {
		return err
	}
	if a.structured() && len(names) > 0 {
		return a.printNamedLimits(fields, resp.GetLimits())
	}
	return a.printLimits(fields, resp.GetLimits())
}

// printNamedLimits prints an object that has these fields only.
func (a *app) printNamedLimits(fields []limitField, l *sockgatev1.Limits) error {
	text, err := marshal(l)
	if err != nil {
		return err
	}
	all, named := make(map[string]json.RawMessage), make(map[string]json.RawMessage)
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for _, f := range fields {
		if value, ok := all[f.d.JSONName()]; ok { // else it is a message that is not set
			named[f.d.JSONName()] = value
		}
	}
	return a.printValue(named)
}

// limitsSet changes limits, and prints the new values of those.
func (a *app) limitsSet(ctx context.Context, args []string) error {
	req, fields, err := limitsRequest(args)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.UpdateLimits(ctx, req)
	if err != nil {
		return err
	}
	return a.printLimits(fields, resp.GetLimits())
}

// limitsRequest reads the assignments, and says which limits they are of.
func limitsRequest(args []string) (*sockgatev1.UpdateLimitsRequest, []limitField, error) {
	req := &sockgatev1.UpdateLimitsRequest{Limits: &sockgatev1.Limits{}, UpdateMask: &fieldmaskpb.FieldMask{}}
	var fields []limitField
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, nil, usagef("%.100q has no value; write NAME=VALUE, for example max-connections=100", arg)
		}
		found, err := findLimits([]string{name})
		if err != nil {
			return nil, nil, err
		}
		f := found[0]
		switch {
		case !f.settable():
			return nil, nil, usagef("%s cannot be changed while the gateway runs; it is set at its start", f.name())
		case slices.Contains(req.UpdateMask.Paths, f.path()):
			return nil, nil, usagef("%s is given twice", f.name())
		}
		if err := f.set(req.Limits, value); err != nil {
			return nil, nil, err
		}
		fields, req.UpdateMask.Paths = append(fields, f), append(req.UpdateMask.Paths, f.path())
	}
	return req, fields, nil
}

// flag is what the gateway calls the limit on its command line, where that is another name.
func (f limitField) flag() string {
	if strings.HasPrefix(f.name(), "connections-per-") {
		return "max-" + f.name()
	}
	return f.name()
}

// findLimits finds limits by their names, max-connections or max_connections, or the names of their flags; all for none.
func findLimits(names []string) ([]limitField, error) {
	all := limitFields()
	if len(names) == 0 {
		return all, nil
	}
	var found []limitField
	for _, name := range names {
		i := slices.IndexFunc(all, func(f limitField) bool { return f.name() == kebab(name) || f.flag() == kebab(name) })
		if i < 0 {
			var known []string
			for _, f := range all {
				known = append(known, f.name())
			}
			return nil, usagef("%.100q is not a limit; use one of %s", name, strings.Join(known, ", "))
		}
		found = append(found, all[i])
	}
	return found, nil
}

// printLimits shows these fields, or all of them to a program.
func (a *app) printLimits(fields []limitField, l *sockgatev1.Limits) error {
	switch {
	case a.structured():
		return a.printMessage(l)
	case a.output == formatName:
		for _, f := range fields {
			if err := a.printName(f.name()); err != nil {
				return err
			}
		}
		return nil
	}
	t := a.newTable("NAME", "VALUE")
	for _, f := range fields {
		t.add(f.name(), f.text(l))
	}
	return t.flush()
}

// assignment is what comes before the value; empty for what cannot be changed.
func (f limitField) assignment() string {
	if !f.settable() {
		return ""
	}
	return f.name() + "="
}

// completeLimits offers limits as word writes them.
func completeLimits(word func(limitField) string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var found []cobra.Completion
		directive := cobra.ShellCompDirectiveNoFileComp
		for _, f := range limitFields() {
			text := word(f)
			if text == "" || !strings.HasPrefix(text, prefix) {
				continue
			}
			open := strings.HasSuffix(text, "=")
			if open {
				directive |= cobra.ShellCompDirectiveNoSpace // the value follows
			}
			if !slices.ContainsFunc(args, func(arg string) bool { return arg == text || open && strings.HasPrefix(arg, text) }) {
				found = append(found, text)
			}
		}
		return found, directive
	}
}
