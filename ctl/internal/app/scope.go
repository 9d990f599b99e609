package app

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The contract's bounds of a scope.
const (
	MaxNodes       = 1000
	maxNodeTimeout = time.Minute
)

// ScopeFlags say which nodes of a fleet a command is for; without any of them, all.
type ScopeFlags struct {
	Nodes      []string
	Local      bool
	All        bool // for shutdown only, which must name its nodes
	requireAll bool
}

// RegisterScope declares --node, --local and --require-all.
func (a *App) RegisterScope(cmd *cobra.Command, s *ScopeFlags) {
	a.RegisterNode(cmd, s, "only this `NODE` of the fleet (repeatable; default all)")
	s.RegisterLocal(cmd, "only the node that is asked, without asking any other")
	cmd.Flags().BoolVar(&s.requireAll, "require-all", false,
		"fail when a node does not answer, in place of answering for the others")
}

// RegisterIDScope declares the scope of a command that takes IDs: an ID names its node.
func (a *App) RegisterIDScope(cmd *cobra.Command, s *ScopeFlags) {
	a.RegisterScope(cmd, s)
	_ = cmd.Flags().MarkHidden("node") // declared so that it can be refused with a reason
}

// RegisterNode declares --node.
func (a *App) RegisterNode(cmd *cobra.Command, s *ScopeFlags, help string) {
	cmd.Flags().StringSliceVar(&s.Nodes, "node", nil, help)
	_ = cmd.RegisterFlagCompletionFunc("node", a.CompleteNodes(func() []string { return s.Nodes }))
}

// RegisterLocal declares --local.
func (s *ScopeFlags) RegisterLocal(cmd *cobra.Command, help string) {
	cmd.Flags().BoolVar(&s.Local, "local", false, help)
}

var nodeName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// CheckNode refuses a text that cannot be a node's name.
func CheckNode(name string) error {
	if !nodeName.MatchString(name) {
		return Usagef("%.50q is no node's name; expected 1 to 32 of a-z, 0-9 and -, as ctl nodes shows them", name)
	}
	return nil
}

// Check refuses flags that contradict each other.
func (s *ScopeFlags) Check() error {
	switch {
	case len(s.Nodes) > 0 && s.Local:
		return Usagef("both --node and --local were given; --local means the node that is asked, so leave one of them out")
	case len(s.Nodes) > 0 && s.All:
		return Usagef("both --node and --all were given; leave one of them out")
	case s.Local && s.All:
		return Usagef("both --local and --all were given; leave one of them out")
	case len(s.Nodes) > MaxNodes:
		return Usagef("--node is given %d times; give at most %d, or leave it out for all nodes", len(s.Nodes), MaxNodes)
	}
	for i, name := range s.Nodes {
		if err := CheckNode(name); err != nil {
			return err
		}
		if slices.Contains(s.Nodes[:i], name) {
			return Usagef("--node %s is given twice", name)
		}
	}
	return nil
}

// CheckIDs is Check, and refuses --node beside IDs: an ID names its node.
func (s *ScopeFlags) CheckIDs(ids []string) error {
	if len(ids) > 0 && len(s.Nodes) > 0 {
		return Usagef("both IDs and --node were given; an ID says by itself which node has the connection, so leave --node " +
			"out")
	}
	return s.Check()
}

// Scope makes the request's scope of flags that have been checked.
func (a *App) Scope(s *ScopeFlags) *pb.Scope {
	return &pb.Scope{Nodes: s.Nodes, Local: s.Local, All: s.All, RequireAll: s.requireAll,
		NodeTimeout: durationpb.New(a.NodeTimeout())}
}

// NodeTimeout is the other nodes' share of --timeout: four fifths, at most 1 minute. The rest is for the way between
// ctl and the gateway that it asks, so that an answer without some nodes arrives before ctl gives up. A verb's own
// wait is added to both.
func (a *App) NodeTimeout() time.Duration { return min(a.Timeout*4/5, maxNodeTimeout) }

// CompleteNodes offers the names of the fleet's nodes, with their states, except those that are given already.
func (a *App) CompleteNodes(given func() []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		found := a.Offer(cmd.Context(), func(ctx context.Context, c *Client) (found []cobra.Completion) {
			nodes, _ := KnownNodes(ctx, c)
			for _, n := range nodes {
				if strings.HasPrefix(n.GetName(), prefix) && !slices.Contains(given(), n.GetName()) {
					found = append(found, cobra.CompletionWithDesc(n.GetName(), NodeStateText(n.GetState())))
				}
			}
			return found
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// KnownNodes returns the nodes as the gateway that is asked knows them; it asks no other node.
func KnownNodes(ctx context.Context, c *Client) ([]*pb.Node, error) {
	resp, err := Call(ctx, c, API.ListNodes, &pb.ListNodesRequest{Scope: &pb.Scope{Local: true}})
	return resp.GetNodes(), err
}

// FilterHelp is the help of every --filter flag.
const FilterHelp = "CEL `EXPR` that selects connections"
