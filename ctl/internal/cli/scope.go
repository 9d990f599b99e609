package cli

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxNodes       = 1000
	maxNodeTimeout = time.Minute
)

// scopeFlags say which nodes of a fleet a command is for. Without any of them it is for all.
type scopeFlags struct {
	nodes      []string
	local      bool
	all        bool // of shutdown alone, which has to be told
	requireAll bool
}

// registerScope declares --node, --local and --require-all.
func (a *app) registerScope(cmd *cobra.Command, s *scopeFlags) {
	a.registerNode(cmd, s, "only this `NODE` of the fleet (repeatable; default all)")
	s.registerLocal(cmd, "only the node that is asked, without asking any other")
	cmd.Flags().BoolVar(&s.requireAll, "require-all", false, "fail when a node does not answer, in place of answering for the others")
}

// registerIDScope declares the scope of a command whose connections say by their IDs which nodes have them.
func (a *app) registerIDScope(cmd *cobra.Command, s *scopeFlags) {
	a.registerScope(cmd, s)
	_ = cmd.Flags().MarkHidden("node") // there to be refused with a reason
}

// registerNode declares --node.
func (a *app) registerNode(cmd *cobra.Command, s *scopeFlags, help string) {
	cmd.Flags().StringSliceVar(&s.nodes, "node", nil, help)
	_ = cmd.RegisterFlagCompletionFunc("node", a.completeNodes(func() []string { return s.nodes }))
}

// registerLocal declares --local.
func (s *scopeFlags) registerLocal(cmd *cobra.Command, help string) {
	cmd.Flags().BoolVar(&s.local, "local", false, help)
}

var nodeName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// checkNode refuses what cannot be a node's name.
func checkNode(name string) error {
	if !nodeName.MatchString(name) {
		return usagef("%.50q is no node's name; expected 1 to 32 of a-z, 0-9 and -, as ctl nodes shows them", name)
	}
	return nil
}

// check refuses what the flags cannot mean together.
func (s *scopeFlags) check() error {
	switch {
	case len(s.nodes) > 0 && s.local:
		return usagef("both --node and --local were given; --local means the node that is asked, so leave one of them out")
	case len(s.nodes) > 0 && s.all:
		return usagef("both --node and --all were given; leave one of them out")
	case s.local && s.all:
		return usagef("both --local and --all were given; leave one of them out")
	case len(s.nodes) > maxNodes:
		return usagef("--node is given %d times; give at most %d, or leave it out for all nodes", len(s.nodes), maxNodes)
	}
	for i, name := range s.nodes {
		if err := checkNode(name); err != nil {
			return err
		}
		if slices.Contains(s.nodes[:i], name) {
			return usagef("--node %s is given twice", name)
		}
	}
	return nil
}

// checkIDs refuses --node for connections that are named: each ID says which node has it.
func (s *scopeFlags) checkIDs(ids []string) error {
	if len(ids) > 0 && len(s.nodes) > 0 {
		return usagef("both IDs and --node were given; an ID says by itself which node has the connection, so leave --node out")
	}
	return s.check()
}

// scope makes the request's scope of the flags, which have been checked.
func (a *app) scope(s *scopeFlags) *sockgatev1.Scope {
	return &sockgatev1.Scope{Nodes: s.nodes, Local: s.local, All: s.all, RequireAll: s.requireAll, NodeTimeout: durationpb.New(a.nodeTimeout())}
}

// nodeTimeout is what other nodes have of --timeout: four fifths. The rest is for the way between ctl and the gateway that it asks, so
// that an answer that lacks nodes is here before ctl gives the call up. What a verb waits for by itself is added to both.
func (a *app) nodeTimeout() time.Duration { return min(a.timeout*4/5, maxNodeTimeout) }

// completeNodes offers the names of the fleet's nodes, with their states, but for those that are given already.
func (a *app) completeNodes(given func() []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		c, err := a.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.close()
		nodes, err := knownNodes(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []cobra.Completion
		for _, n := range nodes {
			if strings.HasPrefix(n.GetName(), prefix) && !slices.Contains(given(), n.GetName()) {
				found = append(found, cobra.CompletionWithDesc(clean(n.GetName()), nodeStateText(n.GetState())))
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// knownNodes returns what the node that is asked knows of all nodes, without asking them.
func knownNodes(ctx context.Context, c *client) ([]*sockgatev1.Node, error) {
	resp, err := c.ListNodes(ctx, &sockgatev1.ListNodesRequest{Scope: &sockgatev1.Scope{Local: true}})
	return resp.GetNodes(), err
}
