package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const maxPage = 1000

type listOptions struct {
	scope  app.ScopeFlags
	filter string
	state  string
	limit  int
	watch  bool
}

func listCommand(a *app.App) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List connections",
		Long: `List connections in the order of their IDs, as pages arrive; in a fleet those of all nodes, or
of those that --node names. Nodes that did not answer are named at the end, with exit code 3.

With --watch it goes on with a row for each event of a connection: it connects, ends, closes,
fails, is idle or held back, or is labelled. It starts where the list began, resumes by itself,
and lists again when events were missed. The filter judges the connection as it was at the
event; a connection that matches because of a new label is PRESENT then. Changes without an
event make no row: bytes that come and go, and a connection that matches no longer.`,
		Example: `  ctl list --filter 'ip_in(remote_ip, "10.0.0.0/8") && idle > duration("5m")'
  ctl list --state closed -o wide
  ctl list -o name --filter 'labels["room"] == "7"'`,
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), a, o) }),
	}
	cmd.Flags().StringVar(&o.filter, "filter", "", app.FilterHelp)
	cmd.Flags().StringVar(&o.state, "state", "live", "which connections: live, closed (the last 10,000) or all")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "stop after `N` rows; 0 means no limit")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "list, then follow")
	a.RegisterScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "state", "live", "closed", "all")
	app.CompleteFlag(cmd, "filter")
	return cmd
}

func list(ctx context.Context, a *app.App, o listOptions) error {
	state, err := parseState(o.state)
	if err != nil {
		return err
	}
	if o.limit < 0 {
		return app.Usagef("--limit %d is not possible; give the number of rows, or 0 for all", o.limit)
	}
	if o.watch && state == pb.ListState_LIST_STATE_CLOSED {
		return app.Usagef("--watch follows live connections, and closed ones do not change; leave one of --watch and " +
			"--state closed out, " +
			"or follow ctl events --type CLOSED")
	}
	if err := o.scope.Check(); err != nil {
		return err
	}
	return a.WithClient(func(c *app.Client) error {
		if o.watch {
			return watch(ctx, a, c, o, state)
		}
		return listOnce(ctx, a, c, o, state)
	})
}

// listOnce prints the rows as their pages arrive.
func listOnce(ctx context.Context, a *app.App, c *app.Client, o listOptions, state pb.ListState) error {
	rows := a.NewConnectionRows(state != pb.ListState_LIST_STATE_LIVE, false)
	left := newCountdown(o.limit)
	walked, err := walk(ctx, c, o.request(a, state), left, func(page []*pb.Connection) error {
		for _, conn := range page {
			if err := rows.Add("", conn); err != nil {
				return err
			}
		}
		return rows.Flush()
	})
	a.SayAbsent(&walked.absent)
	if err != nil {
		return err
	}
	return app.ExitWith(walked.absent.ExitCode(app.ExitDone))
}

func parseState(text string) (pb.ListState, error) {
	switch strings.ToLower(text) {
	case "live":
		return pb.ListState_LIST_STATE_LIVE, nil
	case "closed":
		return pb.ListState_LIST_STATE_CLOSED, nil
	case "all":
		return pb.ListState_LIST_STATE_ALL, nil
	default:
		return 0, app.Usagef("--state %q is not known; use live, closed or all", text)
	}
}

// request asks for the first page.
func (o *listOptions) request(a *app.App, state pb.ListState) *pb.ListConnectionsRequest {
	return &pb.ListConnectionsRequest{Filter: o.filter, State: state, Scope: a.Scope(&o.scope)}
}

// walked is the result of a walk through a list's pages, besides the connections.
type walked struct {
	cursor string        // from before the first page
	fleet  bool          // the gateway is in a fleet
	absent app.Absentees // of all pages
}

// walk goes through the pages of a list. With an error, the result covers the pages before it.
func walk(ctx context.Context, c *app.Client, req *pb.ListConnectionsRequest, left *countdown,
	page func([]*pb.Connection) error,
) (walked, error) {
	var w walked
	for {
		req.PageSize = int32(left.cap(maxPage))
		resp, err := app.Call(ctx, c, app.API.ListConnections, req)
		if err != nil {
			return w, err
		}
		if req.PageToken == "" {
			w.cursor, w.fleet = resp.GetCursor(), resp.GetFleet() != nil
		}
		w.absent.Add(resp.GetFleet())
		rows := resp.GetConnections()
		rows = rows[:left.cap(len(rows))]
		left.take(len(rows))
		if err := page(rows); err != nil {
			return w, err
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" || left.over() {
			return w, nil
		}
	}
}

// countdown counts down from --limit, or never ends.
type countdown struct {
	limited bool
	left    int
}

func newCountdown(limit int) *countdown { return &countdown{limited: limit > 0, left: limit} }

func (c *countdown) take(n int) { c.left -= n }

func (c *countdown) over() bool { return c.limited && c.left <= 0 }

// cap is n, or the rest if that is less.
func (c *countdown) cap(n int) int {
	if c.limited {
		return min(n, c.left)
	}
	return n
}
