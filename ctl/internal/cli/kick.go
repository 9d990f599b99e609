package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxFlushTimeout = 30 * time.Second
	shownTargets    = 100 // how many targets of a filter the gateway names
)

type kickOptions struct {
	scope        app.ScopeFlags
	filter       string
	filterGiven  bool
	yes          bool
	dryRun       bool
	reason       string
	farewell     string
	flushTimeout time.Duration
	ban          time.Duration
}

func kickCommand(a *app.App) *cobra.Command {
	var o kickOptions
	cmd := &cobra.Command{
		Use:   "kick ID... | --filter EXPR",
		Short: "End connections",
		Long: `End connections: flush the bytes that are queued for them and the farewell, then close them.

With --ban it also bans each peer for that time: its identity where it has proven one, else its
IPv4 address or the /64 network of its IPv6 address. ctl ban lists and removes bans.

With a filter it asks for confirmation; without a terminal it needs --yes. --dry-run only shows
the connections that would be kicked.

Exit codes: 0 all kicked (or nothing matched); 1 none was kicked; 2 usage, malformed IDs
included; 3 some were kicked, or nodes of the fleet did not answer; 4 none of the IDs exists.`,
		Example: `  ctl kick edge-1.19ab0d3f1c2.42 --reason 'spam'
  ctl kick edge-1.19ab0d3f1c2.42 --reason 'spam' --ban 10m
  ctl kick --filter 'idle > duration("1h")' --dry-run`,
		ValidArgsFunction: a.CompleteIDs(0),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			o.filterGiven = cmd.Flags().Changed("filter")
			return kick(cmd.Context(), a, args, o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.filter, "filter", "", app.FilterHelp+"; true means all live ones")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be kicked")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record; it is not sent to the peer")
	f.StringVar(&o.farewell, "farewell", "", "`TEXT` to send last")
	f.DurationVar(&o.flushTimeout, "flush-timeout", 0, "how long queue and farewell may take, up to 30s (default 1s)")
	f.DurationVar(&o.ban, "ban", 0, "also ban the peers for so long, up to 10 years, for example 10m")
	a.RegisterScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "filter")
	app.CompleteFlag(cmd, "ban")
	return cmd
}

func kick(ctx context.Context, a *app.App, ids []string, o kickOptions) error {
	req, err := o.request(a, ids)
	if err != nil {
		return err
	}
	if req.Filter != "" && !o.dryRun && !o.yes && !a.Env.StdinIsTerminal {
		return app.NeedYes()
	}
	return a.WithClient(func(c *app.Client) error { return kickWith(ctx, a, c, req, &o) })
}

// kickWith asks for confirmation where that is needed, kicks, and shows the outcome.
func kickWith(ctx context.Context, a *app.App, c *app.Client, req *pb.KickRequest, o *kickOptions) error {
	if req.Filter != "" && !o.dryRun && !o.yes {
		if ended, err := confirmKick(ctx, a, c, req); ended || err != nil {
			return err
		}
	}
	resp, err := callKick(ctx, c, req, o.dryRun)
	if err != nil {
		return err
	}
	if err := printKick(a, req, resp); err != nil {
		return err
	}
	sayBanned(a, req, resp)
	return a.Ending(resp.GetFleet(), kickResult(a, req, resp))
}

func (o *kickOptions) request(a *app.App, ids []string) (*pb.KickRequest, error) {
	if err := app.Targets(ids, o.filter, o.filterGiven); err != nil {
		return nil, err
	}
	if err := o.scope.CheckIDs(ids); err != nil {
		return nil, err
	}
	if o.flushTimeout < 0 || o.flushTimeout > maxFlushTimeout {
		return nil, app.Usagef("--flush-timeout %s is out of bounds; give 0 to %s", o.flushTimeout, maxFlushTimeout)
	}
	if o.ban < 0 || o.ban > maxBan {
		return nil, app.Usagef("--ban %s is out of bounds; give more than 0 and up to 10 years, for example 10m", o.ban)
	}
	farewell, err := app.FarewellBytes(o.farewell)
	if err != nil {
		return nil, err
	}
	req := &pb.KickRequest{
		ConnectionIds: ids, Filter: o.filter, Reason: o.reason, Farewell: farewell, ValidateOnly: o.dryRun,
		Scope: a.Scope(&o.scope),
	}
	if o.flushTimeout > 0 {
		req.FlushTimeout = durationpb.New(o.flushTimeout)
	}
	if o.ban > 0 {
		req.BanDuration = durationpb.New(o.ban)
	}
	return req, nil
}

// confirmKick asks, naming the number of matching connections and the nodes that did not answer. ended means that
// nothing matches, and so there is nothing to ask.
func confirmKick(ctx context.Context, a *app.App, c *app.Client, req *pb.KickRequest) (ended bool, err error) {
	resp, err := callKick(ctx, c, req, true)
	if err != nil {
		return false, err
	}
	if resp.GetMatched() == 0 {
		a.Say("no connection matches")
		return true, a.Ending(resp.GetFleet(), app.ExitDone)
	}
	a.SayAbsent(app.AbsentFrom(resp.GetFleet()))
	return false, a.Confirm(ctx, false, fmt.Sprintf("Kick %s%s?", app.Plural(resp.GetMatched(), "connection"),
		app.OnNodes(resp.GetFleet())))
}

func callKick(ctx context.Context, c *app.Client, req *pb.KickRequest,
	validateOnly bool) (*pb.KickResponse, error) {
	req.ValidateOnly = validateOnly
	return app.CallLonger(ctx, c, max(time.Second, req.GetFlushTimeout().AsDuration()), app.API.Kick, req)
}

func printKick(a *app.App, req *pb.KickRequest, resp *pb.KickResponse) error {
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	case a.Tabular() && req.GetFilter() != "" && !req.GetValidateOnly():
		t := a.NewTable("MATCHED", "KICKED", "CLOSED", "NOT-FOUND")
		t.Add(fmt.Sprint(resp.GetMatched()), fmt.Sprint(resp.GetKicked()), fmt.Sprint(resp.GetClosed()),
			fmt.Sprint(resp.GetNotFound()))
		if err := t.Flush(); err != nil {
			return err
		}
	default:
		if err := a.PrintOutcomes(resp.GetOutcomes()); err != nil {
			return err
		}
	}
	return a.PrintNodeResults(resp.GetFleet(), "matched", "kicked", "closed", "not_found")
}

// sayBanned names the targets that a kick has banned.
func sayBanned(a *app.App, req *pb.KickRequest, resp *pb.KickResponse) {
	if banned := resp.GetBanned(); len(banned) > 0 {
		a.Say("banned for %s: %s", units.ExactDuration(req.GetBanDuration().AsDuration()),
			strings.Join(banned, ", "))
	}
	if reason := resp.GetNotKeptReason(); reason != "" {
		a.Say("these bans are in force but not kept: a restart of the gateway before it can write would lose them: %s",
			app.Clean(reason))
	}
}

// kickResult prints the counts that a table lacks, and returns the exit code.
func kickResult(a *app.App, req *pb.KickRequest, resp *pb.KickResponse) int {
	verb := "kicked"
	if req.GetValidateOnly() {
		verb = "would be kicked"
	}
	counts := app.Summary(resp.GetMatched(), append([]app.Count{{N: resp.GetKicked(), What: verb},
		{N: resp.GetClosed(), What: "already closed"}, {N: resp.GetNotFound(),
			What: "not found"}}, app.NodeCounts(resp.GetOutcomes())...)...)
	if req.GetFilter() == "" {
		a.SayFailures(resp.GetOutcomes())
		result := app.TallyOf(resp.GetOutcomes())
		if result.Total > 1 && result.Done < result.Total {
			a.Say("%s", counts)
		}
		return result.ExitCode()
	}
	if req.GetValidateOnly() {
		if len(resp.GetOutcomes()) >= shownTargets && resp.GetMatched() > shownTargets {
			counts += fmt.Sprintf(" (the first %d are shown)", len(resp.GetOutcomes()))
		}
		a.Say("%s", counts)
		return app.ExitDone
	}
	a.SayFailures(resp.GetOutcomes())
	if resp.GetMatched() == 0 {
		a.Say("no connection matches")
	}
	return countsExitCode(resp.GetMatched(), resp.GetKicked())
}

// countsExitCode is the exit code of a verb with a filter: connections that ended meanwhile make it partial.
func countsExitCode(matched, done uint64) int {
	switch {
	case done >= matched:
		return app.ExitDone
	case done > 0:
		return app.ExitPartial
	default:
		return app.ExitFailed
	}
}
