package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxBan         = 10 * 365 * 24 * time.Hour
	maxBanReason   = 256
	identityScheme = "spiffe://" // the prefix of an identity
)

type banOptions struct {
	scope    app.ScopeFlags
	identity bool
	duration time.Duration
	reason   string
	keep     bool
}

// banCommand is the noun for bans.
func banCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ban",
		Short: "Refuse connections from addresses and identities",
		Long: `Refuse connections from addresses and identities. TARGET is an IP address, a network in CIDR
form, or an identity that clients prove with their certificates. A TARGET that begins with
spiffe:// is an identity; --identity makes any other TARGET one.

Each node of a fleet has its own bans. Without --node or --local these commands are for all
nodes.`,
	}
	cmd.AddCommand(banAddCommand(a), banListCommand(a), banRemoveCommand(a))
	return a.Noun(cmd, "do")
}

// banAddCommand is `ctl ban add`.
func banAddCommand(a *app.App) *cobra.Command {
	var o banOptions
	cmd := &cobra.Command{
		Use:   "add TARGET",
		Short: "Ban a network or an identity, and close its connections",
		Long: `Ban a network or an identity: the gateway closes its connections and refuses new ones, until the
ban ends or is removed. A ban replaces an earlier one of the same TARGET. Without --for it lasts
until it is removed.

A gateway that cannot write its disk bans all the same. ctl then warns that a restart would lose
the ban, and exits with 0; the gateway goes on trying to write.`,
		Example: `  ctl ban add 203.0.113.7 --for 10m --reason 'password guessing'
  ctl ban add 2001:db8:1:2::/64
  ctl ban add spiffe://example.org/device/7 --keep
  ctl ban add device-7.example.org --identity --for 24h`,
		Args:              app.Exactly(1, "one TARGET"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("for") && (o.duration <= 0 || o.duration > maxBan) {
				return app.Usagef("--for %s is out of bounds; give more than 0 and up to 10 years (87600h), or leave it out",
					o.duration)
			}
			return banAdd(cmd.Context(), a, args[0], o)
		}),
	}
	f := cmd.Flags()
	f.DurationVar(&o.duration, "for", 0,
		"how long it lasts, up to 10 years, for example 10m (default until it is removed)")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record; it is not sent to peers")
	f.BoolVar(&o.keep, "keep", false, "leave live connections alone")
	o.registerIdentity(cmd)
	a.RegisterScope(cmd, &o.scope)
	app.CompleteFlag(cmd, "for")
	app.CompleteFlag(cmd, "reason")
	return cmd
}

// registerIdentity declares --identity.
func (o *banOptions) registerIdentity(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.identity, "identity", false, "TARGET is an identity, whatever it looks like")
}

// isIdentity reports whether the target is an identity. It does not guess: a network with a typing error is no
// identity.
func (o *banOptions) isIdentity(target string) (bool, error) {
	if o.identity || strings.HasPrefix(target, identityScheme) {
		return true, nil
	}
	_, addrErr := netip.ParseAddr(target)
	_, prefixErr := netip.ParsePrefix(target)
	if addrErr != nil && prefixErr != nil {
		return false, app.Usagef("%.100q is neither an IP address nor a network in CIDR form such as 203.0.113.0/24; if it "+
			"is an identity, say so with --identity", target)
	}
	return false, nil
}

// banAdd bans the target. It warns where a restart of the gateway would forget the ban.
func banAdd(ctx context.Context, a *app.App, target string, o banOptions) error {
	identity, err := o.isIdentity(target)
	if err != nil {
		return err
	}
	if err := o.scope.Check(); err != nil {
		return err
	}
	if len(o.reason) > maxBanReason {
		return app.Usagef("--reason has %d bytes; the limit is %d", len(o.reason), maxBanReason)
	}
	req := &pb.AddBanRequest{Target: target, Identity: identity, Reason: o.reason, KeepConnections: o.keep,
		Scope: a.Scope(&o.scope)}
	if o.duration > 0 {
		req.Duration = durationpb.New(o.duration)
	}
	resp, err := app.Ask(ctx, a, app.API.AddBan, req)
	if err != nil {
		return err
	}
	if err := printAddedBan(a, resp); err != nil {
		return err
	}
	switch reason := resp.GetBan().GetNotKeptReason(); {
	case reason != "":
		a.Say("the ban is in force but not kept: a restart of the gateway before it can write would lose it: %s",
			app.Clean(reason))
	case !resp.GetDurable():
		a.Say("the ban ends with the gateway's process; to keep bans, give the gateway --state-dir")
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

// printAddedBan shows the ban and its effect.
func printAddedBan(a *app.App, resp *pb.AddBanResponse) error {
	ban := resp.GetBan()
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	case a.Output == app.FormatName:
		return a.PrintName(ban.GetTarget())
	}
	t := a.NewTable("TARGET", "EXPIRES", "CLOSED", "REPLACED")
	t.Add(ban.GetTarget(), banEnd(a, ban), fmt.Sprint(resp.GetClosed()), fmt.Sprint(resp.GetReplaced()))
	if err := t.Flush(); err != nil {
		return err
	}
	return a.PrintNodeResults(resp.GetFleet(), "closed")
}

// banEnd says when a ban ends.
func banEnd(a *app.App, ban *pb.Ban) string {
	if ban.GetExpiresAt() == nil {
		return "never"
	}
	return a.TimeText(ban.GetExpiresAt())
}

// banListCommand is `ctl ban list`.
func banListCommand(a *app.App) *cobra.Command {
	var s app.ScopeFlags
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List the bans: networks, then identities; in a fleet node by node",
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(cmd *cobra.Command, _ []string) error { return banList(cmd.Context(), a, &s) }),
	}
	a.RegisterScope(cmd, &s)
	return cmd
}

// banList prints the bans as their pages arrive.
func banList(ctx context.Context, a *app.App, s *app.ScopeFlags) error {
	if err := s.Check(); err != nil {
		return err
	}
	return a.WithClient(func(c *app.Client) error { return listBans(ctx, a, c, s) })
}

// listBans goes through the pages of the bans.
func listBans(ctx context.Context, a *app.App, c *app.Client, s *app.ScopeFlags) error {
	var rows *banRows
	var absent app.Absentees
	var unkept unkeptBans
	req := &pb.ListBansRequest{PageSize: maxPage, Scope: a.Scope(s)}
	for {
		resp, err := app.Call(ctx, c, app.API.ListBans, req)
		if err != nil {
			a.SayAbsent(&absent)
			return err
		}
		absent.Add(resp.GetFleet())
		if rows == nil {
			rows = newBanRows(a, resp.GetFleet() != nil)
		}
		for _, ban := range resp.GetBans() {
			unkept.note(ban)
			if err := rows.add(ban); err != nil {
				return err
			}
		}
		if err := rows.Flush(); err != nil {
			return err
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			unkept.say(a)
			a.SayAbsent(&absent)
			return app.ExitWith(absent.ExitCode(app.ExitDone))
		}
	}
}

// unkeptBans counts the bans that a restart would lose.
type unkeptBans struct {
	count  uint64
	reason string // of the first
}

func (k *unkeptBans) note(ban *pb.Ban) {
	if reason := ban.GetNotKeptReason(); reason != "" {
		k.count++
		k.reason = cmp.Or(k.reason, reason)
	}
}

func (k *unkeptBans) say(a *app.App) {
	if k.count > 0 {
		a.Say("%s in force but not kept: a restart of the gateway before it can write would lose them: %s",
			app.Plural(k.count, "ban"), app.Clean(k.reason))
	}
}

// banRows prints bans in any format.
type banRows struct {
	*app.Rows
	app   *app.App
	named map[string]bool // nil unless several nodes may have a ban of the same target
}

// newBanRows chooses the columns: in a fleet, the node as well.
func newBanRows(a *app.App, fleet bool) *banRows {
	header := []string{"TARGET", "EXPIRES", "REASON", "BY", "REFUSED"}
	if a.Wide() {
		header = append(header, "IDENTITY", "CREATED")
	}
	if !fleet {
		return &banRows{Rows: a.NewRows(header...), app: a}
	}
	return &banRows{Rows: a.NewRows(append(header, "NODE")...), app: a, named: map[string]bool{}}
}

// add prints one ban, or holds it for the next Flush. A name is printed once, however many nodes have the ban.
func (r *banRows) add(ban *pb.Ban) error {
	a := r.app
	if a.Output == app.FormatName && r.named[ban.GetTarget()] {
		return nil
	}
	cells := []string{ban.GetTarget(), banEnd(a, ban), ban.GetReason(), ban.GetCreatedBy(), fmt.Sprint(ban.GetRefused())}
	if a.Wide() {
		cells = append(cells, fmt.Sprint(ban.GetIdentity()), a.TimeText(ban.GetCreatedAt()))
	}
	if r.named != nil {
		r.named[ban.GetTarget()] = true
		cells = append(cells, ban.GetNode())
	}
	return r.Add(ban, ban.GetTarget(), cells...)
}

// banRemoveCommand is `ctl ban remove`.
func banRemoveCommand(a *app.App) *cobra.Command {
	var o banOptions
	cmd := &cobra.Command{
		Use:               "remove TARGET",
		Short:             "End a ban",
		Args:              app.Exactly(1, "one TARGET"),
		ValidArgsFunction: completeBans(a),
		RunE: a.RunE(func(cmd *cobra.Command, args []string) error {
			return banRemove(cmd.Context(), a, args[0],
				o)
		}),
	}
	o.registerIdentity(cmd)
	a.RegisterScope(cmd, &o.scope)
	return cmd
}

// banRemove ends the ban, and shows it.
func banRemove(ctx context.Context, a *app.App, target string, o banOptions) error {
	identity, err := o.isIdentity(target)
	if err != nil {
		return err
	}
	if err := o.scope.Check(); err != nil {
		return err
	}
	resp, err := app.Ask(ctx, a, app.API.RemoveBan, &pb.RemoveBanRequest{Target: target, Identity: identity,
		Scope: a.Scope(&o.scope)})
	if err != nil {
		return err
	}
	if err := printRemovedBan(a, resp); err != nil {
		return err
	}
	if reason := resp.GetBan().GetNotKeptReason(); reason != "" {
		a.Say("the ban has ended, but a restart of the gateway before it can write would bring it back: %s",
			app.Clean(reason))
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

// printRemovedBan shows the removed ban; in a fleet a program gets the nodes too.
func printRemovedBan(a *app.App, resp *pb.RemoveBanResponse) error {
	if a.Structured() && resp.GetFleet() != nil {
		return a.PrintMessage(resp)
	}
	rows := newBanRows(a, false)
	if err := rows.add(resp.GetBan()); err != nil {
		return err
	}
	if err := rows.Flush(); err != nil {
		return err
	}
	return a.PrintNodeResults(resp.GetFleet())
}

// completeBans offers the targets of bans, with the reasons.
func completeBans(a *app.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := a.Offer(cmd.Context(), func(ctx context.Context, c *app.Client) (found []cobra.Completion) {
			resp, _ := c.ListBans(ctx, &pb.ListBansRequest{PageSize: maxPage})
			for _, ban := range resp.GetBans() {
				if strings.HasPrefix(ban.GetTarget(), prefix) {
					found = append(found, cobra.CompletionWithDesc(ban.GetTarget(), app.Clean(ban.GetReason())))
				}
			}
			return found
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
