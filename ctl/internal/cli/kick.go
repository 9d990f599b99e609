package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxFlushTimeout = 30 * time.Second
	shownTargets    = 100 // how many targets of a filter the gateway names
)

type kickOptions struct {
	scope        scopeFlags
	filter       string
	filterGiven  bool
	yes          bool
	dryRun       bool
	reason       string
	farewell     string
	flushTimeout time.Duration
	ban          time.Duration
}

func (a *app) kickCommand() *cobra.Command {
	var o kickOptions
	cmd := &cobra.Command{
		Use:   "kick ID... | --filter EXPR",
		Short: "End connections",
		Long: `End connections: flush what is queued for them and the farewell, then close them.

With --ban it also bans each peer for so long: its identity where it has proven one, else its IPv4 address or the /64 network of its
IPv6 address. ctl ban lists and removes bans.

With a filter it asks for confirmation; without a terminal it needs --yes. --dry-run only says what would be kicked.

Exit codes: 0 all kicked (or nothing matched); 1 none was kicked; 2 usage, malformed IDs included; 3 some
were kicked, or nodes of the fleet did not answer; 4 none of the IDs exists.`,
		Example: `  ctl kick edge-1.19ab0d3f1c2.42 --reason 'spam'
  ctl kick edge-1.19ab0d3f1c2.42 --reason 'spam' --ban 10m
  ctl kick --filter 'idle > duration("1h")' --dry-run`,
		ValidArgsFunction: a.completeIDs(0),
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			o.filterGiven = cmd.Flags().Changed("filter")
			return a.kick(cmd.Context(), args, o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.filter, "filter", "", filterHelp+"; true means all live ones")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be kicked")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record; it is not sent to the peer")
	f.StringVar(&o.farewell, "farewell", "", "`TEXT` to send last")
	f.DurationVar(&o.flushTimeout, "flush-timeout", 0, "how long queue and farewell may take, up to 30s (default 1s)")
	f.DurationVar(&o.ban, "ban", 0, "also ban the peers for so long, up to 10 years, for example 10m")
	a.registerScope(cmd, &o.scope)
	completeFlag(cmd, "filter")
	completeFlag(cmd, "ban")
	return cmd
}

func (a *app) kick(ctx context.Context, ids []string, o kickOptions) error {
	req, err := o.request(a, ids)
	if err != nil {
		return err
	}
	if req.Filter != "" && !o.dryRun && !o.yes && !a.env.StdinIsTerminal {
		return needYes()
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	if req.Filter != "" && !o.dryRun && !o.yes {
		if ended, err := a.confirmKick(ctx, c, req); ended || err != nil {
			return err
		}
	}
	resp, err := a.callKick(ctx, c, req, o.dryRun)
	if err != nil {
		return err
	}
	if err := a.printKick(req, resp); err != nil {
		return err
	}
	a.sayBanned(req, resp)
	return a.ending(resp.GetFleet(), a.kickResult(req, resp))
}

func (o *kickOptions) request(a *app, ids []string) (*sockgatev1.KickRequest, error) {
	if err := targets(ids, o.filter, o.filterGiven); err != nil {
		return nil, err
	}
	if err := o.scope.checkIDs(ids); err != nil {
		return nil, err
	}
	if o.flushTimeout < 0 || o.flushTimeout > maxFlushTimeout {
		return nil, usagef("--flush-timeout %s is out of bounds; give 0 to %s", o.flushTimeout, maxFlushTimeout)
	}
	if o.ban < 0 || o.ban > maxBan {
		return nil, usagef("--ban %s is out of bounds; give more than 0 and up to 10 years, for example 10m", o.ban)
	}
	farewell, err := farewellBytes(o.farewell)
	if err != nil {
		return nil, err
	}
	req := &sockgatev1.KickRequest{
		ConnectionIds: ids, Filter: o.filter, Reason: o.reason, Farewell: farewell, ValidateOnly: o.dryRun,
		Scope: a.scope(&o.scope),
	}
	if o.flushTimeout > 0 {
		req.FlushTimeout = durationpb.New(o.flushTimeout)
	}
	if o.ban > 0 {
		req.BanDuration = durationpb.New(o.ban)
	}
	return req, nil
}

// confirmKick asks, naming how many connections match, on which it says what nodes are not known of; ended says that there is nothing to ask
// about.
func (a *app) confirmKick(ctx context.Context, c *client, req *sockgatev1.KickRequest) (ended bool, err error) {
	resp, err := a.callKick(ctx, c, req, true)
	if err != nil {
		return false, err
	}
	if resp.GetMatched() == 0 {
		a.say("no connection matches")
		return true, a.ending(resp.GetFleet(), exitDone)
	}
	a.sayAbsent(absentFrom(resp.GetFleet()))
	return false, a.confirm(ctx, false, fmt.Sprintf("Kick %s%s?", plural(resp.GetMatched(), "connection"), onNodes(resp.GetFleet())))
}

func (a *app) callKick(ctx context.Context, c *client, req *sockgatev1.KickRequest, validateOnly bool) (*sockgatev1.KickResponse, error) {
	ctx, cancel := a.within(ctx, max(time.Second, req.GetFlushTimeout().AsDuration()))
	defer cancel()
	req.ValidateOnly = validateOnly
	return c.Kick(ctx, req)
}

func (a *app) printKick(req *sockgatev1.KickRequest, resp *sockgatev1.KickResponse) error {
	switch {
	case a.structured():
		return a.printMessage(resp)
	case a.tabular() && req.GetFilter() != "" && !req.GetValidateOnly():
		t := a.newTable("MATCHED", "KICKED", "CLOSED", "NOT-FOUND")
		t.add(fmt.Sprint(resp.GetMatched()), fmt.Sprint(resp.GetKicked()), fmt.Sprint(resp.GetClosed()), fmt.Sprint(resp.GetNotFound()))
		if err := t.flush(); err != nil {
			return err
		}
	default:
		if err := a.printOutcomes(resp.GetOutcomes()); err != nil {
			return err
		}
	}
	return a.printNodeResults(resp.GetFleet(), "matched", "kicked", "closed", "not_found")
}

// sayBanned names the targets that a kick has banned.
func (a *app) sayBanned(req *sockgatev1.KickRequest, resp *sockgatev1.KickResponse) {
	if banned := resp.GetBanned(); len(banned) > 0 {
		a.say("banned for %s: %s", exactDuration(req.GetBanDuration().AsDuration()), clean(strings.Join(banned, ", ")))
	}
}

// kickResult says what a table does not, and returns the exit code.
func (a *app) kickResult(req *sockgatev1.KickRequest, resp *sockgatev1.KickResponse) int {
	verb := "kicked"
	if req.GetValidateOnly() {
		verb = "would be kicked"
	}
	counts := summary(resp.GetMatched(), append([]count{{resp.GetKicked(), verb}, {resp.GetClosed(), "already closed"},
		{resp.GetNotFound(), "not found"}}, nodeCounts(resp.GetOutcomes())...)...)
	if req.GetFilter() == "" {
		a.sayFailures(resp.GetOutcomes())
		result := tallyOf(resp.GetOutcomes())
		if result.total > 1 && result.done < result.total {
			a.say("%s", counts)
		}
		return result.exitCode()
	}
	if req.GetValidateOnly() {
		if len(resp.GetOutcomes()) >= shownTargets && resp.GetMatched() > shownTargets {
			counts += fmt.Sprintf(" (the first %d are shown)", len(resp.GetOutcomes()))
		}
		a.say("%s", counts)
		return exitDone
	}
	a.sayFailures(resp.GetOutcomes())
	if resp.GetMatched() == 0 {
		a.say("no connection matches")
	}
	return countsExitCode(resp.GetMatched(), resp.GetKicked())
}

// countsExitCode is the exit code of a verb with a filter: what ended meanwhile makes it partial.
func countsExitCode(matched, done uint64) int {
	switch {
	case done >= matched:
		return exitDone
	case done > 0:
		return exitPartial
	default:
		return exitFailed
	}
}

// plural is "1 connection" or "2 connections".
func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
