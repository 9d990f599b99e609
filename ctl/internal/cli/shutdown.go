package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const maxGrace = 24 * time.Hour

type shutdownOptions struct {
	grace      time.Duration
	graceGiven bool
	reason     string
	farewell   string
	yes        bool
	wait       bool
}

func (a *app) shutdownCommand() *cobra.Command {
	var o shutdownOptions
	cmd := &cobra.Command{
		Use:   "shutdown",
		Short: "Drain the gateway and end its process",
		Long: `Drain the gateway and end its process: it stops accepting, connections may end by themselves until the grace period is
over, and the rest is closed. It asks for confirmation; without a terminal it needs --yes. When a drain is under way
already this joins it, and the earlier deadline of the two holds.

With --wait it prints how the drain goes and ends when the gateway has.`,
		Example:           "  ctl shutdown --grace 1m --reason 'upgrade' --yes --wait",
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(cmd *cobra.Command, _ []string) error {
			o.graceGiven = cmd.Flags().Changed("grace")
			return a.shutdown(cmd.Context(), o)
		}),
	}
	f := cmd.Flags()
	f.DurationVar(&o.grace, "grace", 0, "how long connections may end by themselves, up to 24h; 0s closes them at once (default the gateway's drain timeout)")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record; it is not sent to peers")
	f.StringVar(&o.farewell, "farewell", "", "`TEXT` to send to every live connection when the drain begins")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.wait, "wait", false, "wait until the gateway has ended")
	return cmd
}

func (a *app) shutdown(ctx context.Context, o shutdownOptions) error {
	req, err := o.request()
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	if err := a.confirm(ctx, o.yes, fmt.Sprintf("Shut the gateway at %s down?", c.addr)); err != nil {
		return err
	}
	cursor := ""
	if o.wait {
		// From before the drain, so that not even its first event is missed.
		if cursor, err = a.currentCursor(ctx, c); err != nil {
			return err
		}
	}
	callCtx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.Shutdown(callCtx, req)
	if err != nil {
		return err
	}
	if err := a.printShutdown(resp); err != nil || !o.wait {
		return err
	}
	return a.awaitEnd(ctx, c, cursor)
}

func (o *shutdownOptions) request() (*sockgatev1.ShutdownRequest, error) {
	farewell, err := farewellBytes(o.farewell)
	if err != nil {
		return nil, err
	}
	req := &sockgatev1.ShutdownRequest{Reason: o.reason, Farewell: farewell}
	if o.graceGiven {
		if o.grace < 0 || o.grace > maxGrace {
			return nil, usagef("--grace %s is out of bounds; give 0s to 24h", o.grace)
		}
		req.GracePeriod = durationpb.New(o.grace)
	}
	return req, nil
}

func (a *app) currentCursor(ctx context.Context, c *client) (string, error) {
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.GetGateway(ctx, &sockgatev1.GetGatewayRequest{})
	return resp.GetCursor(), err
}

func (a *app) printShutdown(resp *sockgatev1.ShutdownResponse) error {
	switch {
	case a.structured():
		if err := a.printMessage(resp); err != nil {
			return err
		}
	case a.tabular():
		drain := "started"
		if resp.GetJoined() {
			drain = "joined"
		}
		t := a.newTable("DRAIN", "DEADLINE", "CONNECTIONS")
		t.add(drain, a.timeText(resp.GetDeadline()), fmt.Sprint(resp.GetConnections()))
		if err := t.flush(); err != nil {
			return err
		}
	}
	return a.stdout.Flush()
}

// awaitEnd prints the drain's events until the gateway ends the stream.
func (a *app) awaitEnd(ctx context.Context, c *client, cursor string) error {
	printer := a.newEventPrinter(encodingUTF8)
	f := &follower{
		app: a, client: c,
		request: &sockgatev1.StreamEventsRequest{After: cursor, Types: []sockgatev1.EventType{
			sockgatev1.EventType_EVENT_TYPE_DRAIN_STARTED,
			sockgatev1.EventType_EVENT_TYPE_DRAIN_PROGRESS,
			sockgatev1.EventType_EVENT_TYPE_DRAIN_ENDED,
		}},
		emit: func(events []*sockgatev1.Event) error { return a.printEvents(printer, events, newCountdown(0)) },
	}
	err := f.run(ctx)
	var call *callError
	if errors.As(err, &call) && call.unreachable() && ctx.Err() == nil { // it has done what it said it would
		a.say("the gateway answers no more, as after its end; its last events were not seen")
		return nil
	}
	if err == nil && ctx.Err() != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("interrupted while waiting; the drain goes on")}
	}
	return err
}
