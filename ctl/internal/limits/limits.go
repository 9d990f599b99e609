package limits

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const getLong = `Show the limits in force, or those that are named. In a fleet a limit that is the same on all
nodes is shown once. Otherwise it has a row for each of its values, with the nodes that have it.`

const setLong = `Change limits of the running gateway: all that are given, or none of them. They hold at once for
new work, until the process ends; to keep one, give the gateway its flag as well. In a fleet
they hold on all nodes, or on those that --node names. Live connections stay, even when there
are more of them than a new limit allows.

Bytes are written 65536, 64KiB or 1MiB; durations 30s or 5m; networks in CIDR form, or one
address, separated by commas; counts of listeners games=50,main=100, which replaces all of them.
none removes a limit. It is refused for the limits that the gateway needs: high-water,
send-queue-limit, write-timeout, handshake-timeout, max-handshakes, hold-timeout,
admit-timeout and handler-window.`

// Command is `ctl limits` with its verbs get and set.
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{Use: "limits", Short: "Show and change the gateway's limits"}
	var shown, changed app.ScopeFlags
	get := &cobra.Command{
		Use:               "get [NAME...]",
		Short:             "Show the limits in force, or those that are named",
		Long:              getLong,
		Example:           "  ctl limits get\n  ctl limits get max-connections receive-rate",
		ValidArgsFunction: complete(Field.Name),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return get(cmd.Context(), a, args,
				&shown)
		}),
	}
	set := &cobra.Command{
		Use:   "set NAME=VALUE...",
		Short: "Change limits of the running gateway",
		Long:  setLong,
		Example: `  ctl limits set max-connections=100 receive-rate=64KiB idle-timeout=5m accept-rate=2.5
  ctl limits set allow=10.0.0.0/8,192.168.0.0/16 deny= listener-connections=games=50,main=100`,
		Args:              app.AtLeastOne("one NAME=VALUE"),
		ValidArgsFunction: complete(Field.assignment),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return set(cmd.Context(), a, args,
				&changed)
		}),
	}
	a.RegisterScope(get, &shown)
	a.RegisterScope(set, &changed)
	cmd.AddCommand(get, set)
	return a.Noun(cmd, "do")
}

// get prints the limits of these names, or all of them.
func get(ctx context.Context, a *app.App, names []string, s *app.ScopeFlags) error {
	fields, err := find(names)
	if err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	resp, err := app.Ask(ctx, a, app.API.GetLimits, &pb.GetLimitsRequest{Scope: a.Scope(s)})
	if err != nil {
		return err
	}
	if a.Structured() && len(names) > 0 {
		err = printNamed(a, fields, resp)
	} else {
		err = printReply(a, fields, resp)
	}
	if err != nil {
		return err
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

// printNamed prints an object with these fields only; in a fleet, the reply with these fields only.
func printNamed(a *app.App, fields []Field, resp *pb.GetLimitsResponse) error {
	named, err := namedValues(fields, resp.GetLimits())
	if err != nil {
		return err
	}
	if resp.GetFleet() == nil {
		return a.PrintValue(named)
	}
	type node struct {
		Node   string                     `json:"node"`
		Limits map[string]json.RawMessage `json:"limits"`
	}
	reply := struct {
		Limits map[string]json.RawMessage `json:"limits"`
		Nodes  []node                     `json:"nodes"`
		Fleet  json.RawMessage            `json:"fleet"`
	}{Limits: named, Nodes: []node{}}
	if reply.Fleet, err = app.Marshal(resp.GetFleet()); err != nil {
		return err
	}
	for _, n := range resp.GetNodes() {
		named, err := namedValues(fields, n.GetLimits())
		if err != nil {
			return err
		}
		reply.Nodes = append(reply.Nodes, node{n.GetNode(), named})
	}
	return a.PrintValue(reply)
}

// namedValues are these fields as they are in JSON.
func namedValues(fields []Field, l *pb.Limits) (map[string]json.RawMessage, error) {
	text, err := app.Marshal(l)
	if err != nil {
		return nil, err
	}
	all, named := make(map[string]json.RawMessage), make(map[string]json.RawMessage)
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for _, f := range fields {
		if value, ok := all[f.d.JSONName()]; ok { // else it is a message that is not set
			named[f.d.JSONName()] = value
		}
	}
	return named, nil
}

// set changes limits, and prints their new values.
func set(ctx context.Context, a *app.App, args []string, s *app.ScopeFlags) error {
	req, fields, err := updateRequest(args)
	if err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	req.Scope = a.Scope(s)
	resp, err := app.Ask(ctx, a, app.API.UpdateLimits, req)
	if err != nil {
		return err
	}
	if err := printReply(a, fields, resp); err != nil {
		return err
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

// updateRequest reads the assignments, and returns their limits too.
func updateRequest(args []string) (*pb.UpdateLimitsRequest, []Field, error) {
	req := &pb.UpdateLimitsRequest{Limits: &pb.Limits{}, UpdateMask: &fieldmaskpb.FieldMask{}}
	var fields []Field
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, nil, app.Usagef("%.100q has no value; write NAME=VALUE, for example max-connections=100", arg)
		}
		found, err := find([]string{name})
		if err != nil {
			return nil, nil, err
		}
		f := found[0]
		switch {
		case !f.settable():
			return nil, nil, app.Usagef("%s cannot be changed while the gateway runs; it is set at its start", f.Name())
		case slices.Contains(req.UpdateMask.Paths, f.path()):
			return nil, nil, app.Usagef("%s is given twice", f.Name())
		}
		if err := f.set(req.Limits, value); err != nil {
			return nil, nil, err
		}
		fields, req.UpdateMask.Paths = append(fields, f), append(req.UpdateMask.Paths, f.path())
	}
	return req, fields, nil
}

// flag is the gateway's flag for the limit, where it has another name.
func (f Field) flag() string {
	if strings.HasPrefix(f.Name(), "connections-per-") {
		return "max-" + f.Name()
	}
	return f.Name()
}

// find finds limits by their names, max-connections or max_connections, or by the names of their flags; without
// names, all.
func find(names []string) ([]Field, error) {
	all := Fields()
	if len(names) == 0 {
		return all, nil
	}
	var found []Field
	for _, name := range names {
		i := slices.IndexFunc(all, func(f Field) bool { return f.Name() == app.Kebab(name) || f.flag() == app.Kebab(name) })
		if i < 0 {
			var known []string
			for _, f := range all {
				known = append(known, f.Name())
			}
			return nil, app.Usagef("%.100q is not a limit; use one of %s", name, strings.Join(known, ", "))
		}
		found = append(found, all[i])
	}
	return found, nil
}

// reply is the answer of GetLimits or UpdateLimits.
type reply interface {
	proto.Message
	GetLimits() *pb.Limits
	GetNodes() []*pb.NodeLimits
	GetFleet() *pb.FleetResult
}

// printReply shows these fields, or all of them to a program; in a fleet, with the nodes.
func printReply(a *app.App, fields []Field, resp reply) error {
	switch {
	case a.Structured() && resp.GetFleet() != nil:
		return a.PrintMessage(resp)
	case a.Structured():
		return a.PrintMessage(resp.GetLimits())
	case a.Output == app.FormatName:
		for _, f := range fields {
			if err := a.PrintName(f.Name()); err != nil {
				return err
			}
		}
		return nil
	}
	if err := table(a, fields, resp).Flush(); err != nil {
		return err
	}
	return a.PrintNodeResults(resp.GetFleet())
}

// table has a row for each limit. Where nodes disagree, it has a row for each value of a limit, with the nodes that
// have it.
func table(a *app.App, fields []Field, resp reply) *app.Table {
	nodes := resp.GetNodes()
	if len(nodes) == 0 { // a gateway that runs alone
		nodes = []*pb.NodeLimits{{Limits: resp.GetLimits()}}
	}
	differ := func(f Field) bool {
		return slices.ContainsFunc(nodes,
			func(n *pb.NodeLimits) bool { return f.Text(n.GetLimits()) != f.Text(nodes[0].GetLimits()) })
	}
	if !slices.ContainsFunc(fields, differ) {
		t := a.NewTable("NAME", "VALUE")
		for _, f := range fields {
			t.Add(f.Name(), f.Text(nodes[0].GetLimits()))
		}
		return t
	}
	t := a.NewTable("NAME", "VALUE", "NODES")
	for _, f := range fields {
		if !differ(f) {
			t.Add(f.Name(), f.Text(nodes[0].GetLimits()), "all")
			continue
		}
		values, have := valuesOf(f, nodes)
		for _, value := range values {
			t.Add(f.Name(), value, strings.Join(have[value], ","))
		}
	}
	return t
}

// valuesOf returns the values of a limit, in the order of the nodes, and the names of the nodes that have each.
func valuesOf(f Field, nodes []*pb.NodeLimits) (values []string, have map[string][]string) {
	have = map[string][]string{}
	for _, n := range nodes {
		value := f.Text(n.GetLimits())
		if have[value] == nil {
			values = append(values, value)
		}
		have[value] = append(have[value], n.GetNode())
	}
	return values, have
}

// assignment is the text before the value; empty for a limit that cannot be changed.
func (f Field) assignment() string {
	if !f.settable() {
		return ""
	}
	return f.Name() + "="
}

// complete offers limits as word writes them.
func complete(word func(Field) string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var found []cobra.Completion
		directive := cobra.ShellCompDirectiveNoFileComp
		for _, f := range Fields() {
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
