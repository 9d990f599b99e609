package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// defaultWrittenWait is how long the gateway waits with --wait written when it is not told.
const defaultWrittenWait = 5 * time.Second

type sendOptions struct {
	scope       app.ScopeFlags
	payload     app.PayloadFlags
	wait        string
	waitTimeout time.Duration
}

func sendCommand(a *app.App) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send ID TEXT|-",
		Short: "Send bytes to one connection",
		Long: `Send TEXT, or all of stdin for "-" (at most 1 MiB), to one connection, and show the outcome.

Exit codes: 0 written or queued as asked; 1 closed, dropped, or its node cannot be reached; 2
usage, a malformed ID included; 3 still queued although --wait written was given; 4 no such
connection.`,
		Example: `  ctl send edge-1.19ab0d3f1c2.42 'hello' --newline
  ctl send edge-1.19ab0d3f1c2.42 - --wait written <file`,
		Args:              app.Exactly(2, "an ID and TEXT (or - for stdin)"),
		ValidArgsFunction: a.CompleteIDs(1),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return send(cmd.Context(), a, args[0], args[1], o)
		}),
	}
	o.payload.Register(cmd)
	cmd.Flags().StringVar(&o.wait, "wait", "queued",
		"answer when the bytes are queued, or when the kernel has taken them: queued or written")
	cmd.Flags().DurationVar(&o.waitTimeout, "wait-timeout", 0,
		"with --wait written, how long to wait at most, up to 1m (default 5s)")
	a.RegisterIDScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "wait", "queued", "written")
	return cmd
}

func send(ctx context.Context, a *app.App, id, text string, o sendOptions) error {
	req := &pb.SendRequest{Id: id, Scope: a.Scope(&o.scope)}
	err := app.CheckIDs([]string{id})
	if err != nil {
		return err
	}
	if err := o.scope.CheckIDs([]string{id}); err != nil {
		return err
	}
	if req.Wait, req.WaitTimeout, err = o.waiting(); err != nil {
		return err
	}
	if req.Data, err = a.Payload(text, o.payload, app.MaxSendBytes); err != nil {
		return err
	}
	extra := time.Duration(0)
	if req.Wait == pb.SendWait_SEND_WAIT_WRITTEN {
		extra = max(defaultWrittenWait, o.waitTimeout)
	}
	resp, err := app.AskLonger(ctx, a, extra, app.API.Send, req)
	if err != nil {
		return err
	}
	if err := printSent(a, id, resp); err != nil {
		return err
	}
	return a.Ending(resp.GetFleet(), sentResult(a, req, resp))
}

// waiting checks --wait and --wait-timeout.
func (o *sendOptions) waiting() (pb.SendWait, *durationpb.Duration, error) {
	switch o.wait {
	case "queued":
		if o.waitTimeout != 0 {
			return 0, nil, app.Usagef("--wait-timeout has no meaning with --wait queued, which does not wait; " +
				"add --wait written")
		}
		return pb.SendWait_SEND_WAIT_QUEUED, nil, nil
	case "written":
		if o.waitTimeout < 0 || o.waitTimeout > time.Minute {
			return 0, nil, app.Usagef("--wait-timeout %s is out of bounds; give 0 to 1m", o.waitTimeout)
		}
		if o.waitTimeout == 0 {
			return pb.SendWait_SEND_WAIT_WRITTEN, nil, nil
		}
		return pb.SendWait_SEND_WAIT_WRITTEN, durationpb.New(o.waitTimeout), nil
	default:
		return 0, nil, app.Usagef("--wait %q is not known; use queued or written", o.wait)
	}
}

func printSent(a *app.App, id string, resp *pb.SendResponse) error {
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	case a.Tabular():
		t := a.NewTable("ID", "OUTCOME", "QUEUED", "UNSENT")
		t.Add(id, app.OutcomeText(resp.GetOutcome()), units.HumanBytes(resp.GetQueuedBytes()),
			units.HumanBytes(resp.GetUnsentBytes()))
		return t.Flush()
	case app.OutcomeExitCode(resp.GetOutcome()) == app.ExitDone:
		return a.PrintName(id)
	default:
		return nil
	}
}

// sentResult explains an outcome that is not the wanted one, and returns the exit code.
func sentResult(a *app.App, req *pb.SendRequest, resp *pb.SendResponse) int {
	id := req.GetId()
	switch resp.GetOutcome() {
	case pb.Outcome_OUTCOME_QUEUED:
		if req.GetWait() == pb.SendWait_SEND_WAIT_WRITTEN {
			a.Say("%s: not written in time; the bytes stay queued, in order (%d bytes in the queue)", id, resp.GetQueuedBytes())
			return app.ExitPartial
		}
	case pb.Outcome_OUTCOME_WRITTEN:
	case pb.Outcome_OUTCOME_CLOSED:
		a.Say("%s: the connection is closed; %d of %d bytes were not sent", id, resp.GetUnsentBytes(), len(req.GetData()))
	case pb.Outcome_OUTCOME_MALFORMED_ID:
		a.Say("%s", app.MalformedID(req.GetId()))
	default:
		a.Say("%s: %s", id, app.OutcomeSentence(resp.GetOutcome()))
	}
	return app.OutcomeExitCode(resp.GetOutcome())
}
