package cli

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// broadcastAttempts bounds how often a broadcast is tried while the gateway is unavailable.
const broadcastAttempts = 5

type broadcastOptions struct {
	scope     scopeFlags
	payload   payloadFlags
	filter    string
	exclude   []string
	requestID string
}

func (a *app) broadcastCommand() *cobra.Command {
	var o broadcastOptions
	cmd := &cobra.Command{
		Use:   "broadcast TEXT|-",
		Short: "Send the same bytes to many connections",
		Long: `Send TEXT, or all of stdin for "-" (at most 512 KiB), to every live connection that matches, and say what became of
it. A request ID makes it safe that ctl tries again, within --timeout, when the gateway is unavailable.

Exit codes: 0 all written or queued; 2 usage; 3 some were dropped or closed, or nodes of the fleet did not answer.`,
		Example: `  ctl broadcast 'maintenance in 5 minutes' --newline --filter 'labels["tenant"] == "a"'`,
		Args:    exactly(1, "TEXT (or - for stdin)"),
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("request-id") {
				o.requestID = newUUID()
			}
			return a.broadcast(cmd.Context(), args[0], o)
		}),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.payload.register(cmd)
	cmd.Flags().StringVar(&o.filter, "filter", "", filterHelp+"; empty means all live ones")
	cmd.Flags().StringSliceVar(&o.exclude, "exclude", nil, "leave out this `ID` (repeatable)")
	cmd.Flags().StringVar(&o.requestID, "request-id", "", "`UUID` that makes a retry safe for 2 minutes; empty turns that off (default a random one)")
	a.registerScope(cmd, &o.scope)
	a.completeFlagIDs(cmd, "exclude")
	completeFlag(cmd, "filter")
	completeFlag(cmd, "request-id")
	return cmd
}

func (a *app) broadcast(ctx context.Context, text string, o broadcastOptions) error {
	if a.output == formatName {
		return usagef("-o name prints IDs; broadcast answers with counts")
	}
	if err := checkIDs(o.exclude); err != nil {
		return err
	}
	if err := o.scope.check(); err != nil {
		return err
	}
	data, err := a.payload(text, o.payload, maxBroadcastBytes)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	resp, err := a.broadcastSafely(ctx, c, &sockgatev1.BroadcastRequest{
		Data: data, Filter: o.filter, ExcludeIds: o.exclude, RequestId: o.requestID, Scope: a.scope(&o.scope),
	})
	if err != nil {
		return err
	}
	if err := a.printBroadcast(resp); err != nil {
		return err
	}
	a.sayFailures(resp.GetFailures())
	code := exitDone
	if bad := resp.GetDropped() + resp.GetClosed(); bad > 0 {
		a.say("%d of %d connections did not get it", bad, resp.GetMatched())
		code = exitPartial
	}
	return a.ending(resp.GetFleet(), code)
}

// broadcastSafely tries again while the gateway is unavailable; the request ID keeps it from being carried out twice.
func (a *app) broadcastSafely(ctx context.Context, c *client, req *sockgatev1.BroadcastRequest) (*sockgatev1.BroadcastResponse, error) {
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	var wait retryDelay
	for attempt := 1; ; attempt++ {
		resp, err := c.Broadcast(ctx, req)
		if err == nil {
			return resp, nil
		}
		last := attempt == broadcastAttempts || req.GetRequestId() == "" || statusOf(err).Code() != codes.Unavailable || aboutNode(err)
		if last || a.env.sleep(ctx, wait.next()) != nil {
			a.sayUncertain(err, req.GetRequestId())
			return nil, err
		}
		c.conn.ResetConnectBackoff()
	}
}

// sayUncertain tells how to repeat a broadcast that may have been carried out.
func (a *app) sayUncertain(err error, requestID string) {
	code := statusOf(err).Code()
	if requestID != "" && (code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled) {
		a.say("it may have been carried out; within 2 minutes it is safe to repeat it with --request-id %s", requestID)
	}
}

func (a *app) printBroadcast(resp *sockgatev1.BroadcastResponse) error {
	switch {
	case a.structured():
		return a.printMessage(resp)
	default:
		t := a.newTable("MATCHED", "WRITTEN", "QUEUED", "DROPPED", "CLOSED", "REPLAYED")
		t.add(fmt.Sprint(resp.GetMatched()), fmt.Sprint(resp.GetWritten()), fmt.Sprint(resp.GetQueued()),
			fmt.Sprint(resp.GetDropped()), fmt.Sprint(resp.GetClosed()), fmt.Sprint(resp.GetReplayed()))
		if err := t.flush(); err != nil {
			return err
		}
		return a.printNodeResults(resp.GetFleet(), "matched", "written", "queued", "dropped", "closed")
	}
}

// newUUID makes a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
