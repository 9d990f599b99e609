package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// defaultWrittenWait is how long the gateway waits with --wait written when it is not told.
const defaultWrittenWait = 5 * time.Second

type sendOptions struct {
	scope       scopeFlags
	payload     payloadFlags
	wait        string
	waitTimeout time.Duration
}

func (a *app) sendCommand() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send ID TEXT|-",
		Short: "Send bytes to one connection",
		Long: `Send TEXT, or all of stdin for "-" (at most 1 MiB), to one connection, and say what became of it.

Exit codes: 0 written or queued as asked; 1 closed, dropped, or its node cannot be reached; 2 usage, a malformed ID included; 3 still queued although
--wait written was given; 4 no such connection.`,
		Example: `  ctl send edge-1.19ab0d3f1c2.42 'hello' --newline
  ctl send edge-1.19ab0d3f1c2.42 - --wait written <file`,
		Args:              exactly(2, "an ID and TEXT (or - for stdin)"),
		ValidArgsFunction: a.completeIDs(1),
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			return a.send(cmd.Context(), args[0], args[1], o)
		}),
	}
	o.payload.register(cmd)
	cmd.Flags().StringVar(&o.wait, "wait", "queued", "answer when the bytes are queued, or when the kernel has taken them: queued or written")
	cmd.Flags().DurationVar(&o.waitTimeout, "wait-timeout", 0, "with --wait written, how long to wait at most, up to 1m (default 5s)")
	a.registerIDScope(cmd, &o.scope)
	completeFlag(cmd, "wait", "queued", "written")
	return cmd
}

func (a *app) send(ctx context.Context, id, text string, o sendOptions) error {
	req := &sockgatev1.SendRequest{Id: id, Scope: a.scope(&o.scope)}
	err := checkIDs([]string{id})
	if err != nil {
		return err
	}
	if err := o.scope.checkIDs([]string{id}); err != nil {
		return err
	}
	if req.Wait, req.WaitTimeout, err = o.waiting(); err != nil {
		return err
	}
	if req.Data, err = a.payload(text, o.payload, maxSendBytes); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	extra := time.Duration(0)
	if req.Wait == sockgatev1.SendWait_SEND_WAIT_WRITTEN {
		extra = max(defaultWrittenWait, o.waitTimeout)
	}
	callCtx, cancel := a.within(ctx, extra)
	defer cancel()
	resp, err := c.Send(callCtx, req)
	if err != nil {
		return err
	}
	if err := a.printSent(id, resp); err != nil {
		return err
	}
	return a.ending(resp.GetFleet(), a.sentResult(req, resp))
}

// waiting checks --wait and --wait-timeout.
func (o *sendOptions) waiting() (sockgatev1.SendWait, *durationpb.Duration, error) {
	switch o.wait {
	case "queued":
		if o.waitTimeout != 0 {
			return 0, nil, usagef("--wait-timeout has no meaning with --wait queued, which does not wait; add --wait written")
		}
		return sockgatev1.SendWait_SEND_WAIT_QUEUED, nil, nil
	case "written":
		if o.waitTimeout < 0 || o.waitTimeout > time.Minute {
			return 0, nil, usagef("--wait-timeout %s is out of bounds; give 0 to 1m", o.waitTimeout)
		}
		if o.waitTimeout == 0 {
			return sockgatev1.SendWait_SEND_WAIT_WRITTEN, nil, nil
		}
		return sockgatev1.SendWait_SEND_WAIT_WRITTEN, durationpb.New(o.waitTimeout), nil
	default:
		return 0, nil, usagef("--wait %q is not known; use queued or written", o.wait)
	}
}

func (a *app) printSent(id string, resp *sockgatev1.SendResponse) error {
	switch {
	case a.structured():
		return a.printMessage(resp)
	case a.tabular():
		t := a.newTable("ID", "OUTCOME", "QUEUED", "UNSENT")
		t.add(id, outcomeText(resp.GetOutcome()), humanBytes(resp.GetQueuedBytes()), humanBytes(resp.GetUnsentBytes()))
		return t.flush()
	case outcomeExitCode(resp.GetOutcome()) == exitDone:
		return a.printName(id)
	default:
		return nil
	}
}

// sentResult says what the outcome means where it is not what was asked for, and returns the exit code.
func (a *app) sentResult(req *sockgatev1.SendRequest, resp *sockgatev1.SendResponse) int {
	id := clean(req.GetId())
	switch resp.GetOutcome() {
	case sockgatev1.Outcome_OUTCOME_QUEUED:
		if req.GetWait() == sockgatev1.SendWait_SEND_WAIT_WRITTEN {
			a.say("%s: not written in time; the bytes stay queued, in order (%d bytes in the queue)", id, resp.GetQueuedBytes())
			return exitPartial
		}
	case sockgatev1.Outcome_OUTCOME_WRITTEN:
	case sockgatev1.Outcome_OUTCOME_CLOSED:
		a.say("%s: the connection is closed; %d of %d bytes were not sent", id, resp.GetUnsentBytes(), len(req.GetData()))
	case sockgatev1.Outcome_OUTCOME_MALFORMED_ID:
		a.say("%s", malformedID(req.GetId()))
	default:
		a.say("%s: %s", id, outcomeSentence(resp.GetOutcome()))
	}
	return outcomeExitCode(resp.GetOutcome())
}

// outcomeSentence says what an outcome that is no success means.
func outcomeSentence(o sockgatev1.Outcome) string {
	switch o {
	case sockgatev1.Outcome_OUTCOME_DROPPED_QUEUE_FULL:
		return "dropped whole, because its send queue is full"
	case sockgatev1.Outcome_OUTCOME_DROPPED_BUDGET:
		return "dropped whole, because all send queues together have no room for it (queue-budget)"
	case sockgatev1.Outcome_OUTCOME_CLOSED:
		return "the connection is closed or closing"
	case sockgatev1.Outcome_OUTCOME_NOT_FOUND:
		return "no such connection"
	case sockgatev1.Outcome_OUTCOME_NODE_RESTARTED:
		return "that connection ended when the node restarted"
	case sockgatev1.Outcome_OUTCOME_UNKNOWN_NODE:
		return "no node of that name here"
	case sockgatev1.Outcome_OUTCOME_KICKED_UNFLUSHED:
		return "kicked before all queued bytes were taken"
	case sockgatev1.Outcome_OUTCOME_TOO_MANY_LABELS:
		return "it would have more than 16 labels; nothing was changed"
	case sockgatev1.Outcome_OUTCOME_NODE_UNREACHABLE:
		return "the node that has it cannot be reached; nothing was done"
	case sockgatev1.Outcome_OUTCOME_NODE_REFUSED:
		return "the node that has it refused; nothing was done"
	case sockgatev1.Outcome_OUTCOME_UNKNOWN:
		return "what happened cannot be known"
	default:
		return outcomeText(o)
	}
}
