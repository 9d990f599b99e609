package cli

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// broadcastAttempts bounds how often a broadcast is tried while the gateway is unavailable.
const broadcastAttempts = 5

type broadcastOptions struct {
	scope     app.ScopeFlags
	payload   app.PayloadFlags
	filter    string
	exclude   []string
	requestID string
}

func broadcastCommand(a *app.App) *cobra.Command {
	var o broadcastOptions
	cmd := &cobra.Command{
		Use:   "broadcast TEXT|-",
		Short: "Send the same bytes to many connections",
		Long: `Send TEXT, or all of stdin for "-" (at most 512 KiB), to every live connection that matches, and
show the outcomes. While the gateway is unavailable, ctl tries again within --timeout; a request
ID makes that safe.

Exit codes: 0 all written or queued; 2 usage; 3 some were dropped or closed, or nodes of the
fleet did not answer.`,
		Example: `  ctl broadcast 'maintenance in 5 minutes' --newline --filter 'labels["tenant"] == "a"'`,
		Args:    app.Exactly(1, "TEXT (or - for stdin)"),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("request-id") {
				o.requestID = uuid.NewString()
			}
			return broadcast(cmd.Context(), a, args[0], o)
		}),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.payload.Register(cmd)
	cmd.Flags().StringVar(&o.filter, "filter", "", app.FilterHelp+"; empty means all live ones")
	cmd.Flags().StringSliceVar(&o.exclude, "exclude", nil, "leave out this `ID` (repeatable)")
	cmd.Flags().StringVar(&o.requestID, "request-id", "",
		"`UUID` that makes a retry safe for 2 minutes; empty turns that off (default a random one)")
	a.RegisterScope(cmd, &o.scope)
	a.CompleteFlagIDs(cmd, "exclude")
	app.CompleteFlag(cmd, "filter")
	app.CompleteFlag(cmd, "request-id")
	return cmd
}

func broadcast(ctx context.Context, a *app.App, text string, o broadcastOptions) error {
	if a.Output == app.FormatName {
		return app.Usagef("-o name prints IDs; broadcast answers with counts")
	}
	if err := app.CheckIDs(o.exclude); err != nil {
		return err
	}
	if err := o.scope.Check(); err != nil {
		return err
	}
	data, err := a.Payload(text, o.payload, app.MaxBroadcastBytes)
	if err != nil {
		return err
	}
	req := &pb.BroadcastRequest{
		Data: data, Filter: o.filter, ExcludeIds: o.exclude, RequestId: o.requestID, Scope: a.Scope(&o.scope),
	}
	var resp *pb.BroadcastResponse
	err = a.WithClient(func(c *app.Client) error {
		resp, err = broadcastSafely(ctx, a, c, req)
		return err
	})
	if err != nil {
		return err
	}
	if err := printBroadcast(a, resp); err != nil {
		return err
	}
	a.SayFailures(resp.GetFailures())
	code := app.ExitDone
	if bad := resp.GetDropped() + resp.GetClosed(); bad > 0 {
		a.Say("%d of %d connections did not get it", bad, resp.GetMatched())
		code = app.ExitPartial
	}
	return a.Ending(resp.GetFleet(), code)
}

// broadcastSafely tries again while the gateway is unavailable; the request ID keeps it from being carried out twice.
func broadcastSafely(ctx context.Context, a *app.App, c *app.Client,
	req *pb.BroadcastRequest) (*pb.BroadcastResponse, error) {
	ctx, cancel := c.Within(ctx, 0)
	defer cancel()
	var wait app.RetryDelay
	for attempt := 1; ; attempt++ {
		resp, err := c.Broadcast(ctx, req)
		if err == nil {
			return resp, nil
		}
		last := attempt == broadcastAttempts || req.GetRequestId() == "" || app.StatusOf(err).Code() != codes.Unavailable ||
			app.AboutNode(err)
		if last || a.Env.Sleep(ctx, wait.Next()) != nil {
			sayUncertain(a, err, req.GetRequestId())
			return nil, err
		}
		c.Conn.ResetConnectBackoff()
	}
}

// sayUncertain tells how to repeat a broadcast that may have been carried out.
func sayUncertain(a *app.App, err error, requestID string) {
	code := app.StatusOf(err).Code()
	if requestID != "" && (code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled) {
		a.Say("it may have been carried out; within 2 minutes it is safe to repeat it with --request-id %s", requestID)
	}
}

func printBroadcast(a *app.App, resp *pb.BroadcastResponse) error {
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	default:
		t := a.NewTable("MATCHED", "WRITTEN", "QUEUED", "DROPPED", "CLOSED", "REPLAYED")
		t.Add(fmt.Sprint(resp.GetMatched()), fmt.Sprint(resp.GetWritten()), fmt.Sprint(resp.GetQueued()),
			fmt.Sprint(resp.GetDropped()), fmt.Sprint(resp.GetClosed()), fmt.Sprint(resp.GetReplayed()))
		if err := t.Flush(); err != nil {
			return err
		}
		return a.PrintNodeResults(resp.GetFleet(), "matched", "written", "queued", "dropped", "closed")
	}
}
