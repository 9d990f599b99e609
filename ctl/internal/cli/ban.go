package cli

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxBan         = 10 * 365 * 24 * time.Hour
	maxBanReason   = 256
	identityScheme = "spiffe://" // what begins so is an identity
)

type banOptions struct {
	scope    scopeFlags
	identity bool
	duration time.Duration
	reason   string
	keep     bool
}

// banCommand is the noun for bans.
func (a *app) banCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ban",
		Short: "Refuse connections from addresses and identities",
		Long: `Refuse connections from addresses and identities. TARGET is an IP address, a network in CIDR form, or an identity that clients prove
with their certificates: what begins with spiffe:// is one, and anything else with --identity.

Each node of a fleet has its own bans; without --node or --local these commands are for all nodes.`,
	}
	cmd.AddCommand(a.banAddCommand(), a.banListCommand(), a.banRemoveCommand())
	return a.noun(cmd)
}

// banAddCommand is `ctl ban add`.
func (a *app) banAddCommand() *cobra.Command {
	var o banOptions
	cmd := &cobra.Command{
		Use:   "add TARGET",
		Short: "Ban a network or an identity, and close its connections",
		Long: `Ban a network or an identity: its connections are closed and new ones refused, until the ban ends or is removed. A ban of the
same TARGET is replaced. Without --for it lasts until it is removed.`,
		Example: `  ctl ban add 203.0.113.7 --for 10m --reason 'password guessing'
  ctl ban add 2001:db8:1:2::/64
  ctl ban add spiffe://example.org/device/7 --keep
  ctl ban add device-7.example.org --identity --for 24h`,
		Args:              exactly(1, "one TARGET"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("for") && (o.duration <= 0 || o.duration > maxBan) {
				return usagef("--for %s is out of bounds; give more than 0 and up to 10 years (87600h), or leave it out", o.duration)
			}
			return a.banAdd(cmd.Context(), args[0], o)
		}),
	}
	f := cmd.Flags()
	f.DurationVar(&o.duration, "for", 0, "how long it lasts, up to 10 years, for example 10m (default until it is removed)")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for the record; it is not sent to peers")
	f.BoolVar(&o.keep, "keep", false, "leave live connections alone")
	o.registerIdentity(cmd)
	a.registerScope(cmd, &o.scope)
	completeFlag(cmd, "for")
	completeFlag(cmd, "reason")
	return cmd
}

// registerIdentity declares the flag that says what kind of target it is.
func (o *banOptions) registerIdentity(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.identity, "identity", false, "TARGET is an identity, whatever it looks like")
}

// isIdentity says what kind of target it is. It does not guess: a network with a slip of the pen is no identity.
func (o *banOptions) isIdentity(target string) (bool, error) {
	if o.identity || strings.HasPrefix(target, identityScheme) {
		return true, nil
	}
	_, addrErr := netip.ParseAddr(target)
	_, prefixErr := netip.ParsePrefix(target)
	if addrErr != nil && prefixErr != nil {
		return false, usagef("%.100q is neither an IP address nor a network in CIDR form such as 203.0.113.0/24; if it is an identity, say so with --identity", target)
	}
	return false, nil
}

// banAdd bans the target, and says so where a restart of the gateway would forget it.
func (a *app) banAdd(ctx context.Context, target string, o banOptions) error {
	identity, err := o.isIdentity(target)
	if err != nil {
		return err
	}
	if err := o.scope.check(); err != nil {
		return err
	}
	if len(o.reason) > maxBanReason {
		return usagef("--reason has %d bytes; the limit is %d", len(o.reason), maxBanReason)
	}
	req := &sockgatev1.AddBanRequest{Target: target, Identity: identity, Reason: o.reason, KeepConnections: o.keep, Scope: a.scope(&o.scope)}
	if o.duration > 0 {
		req.Duration = durationpb.New(o.duration)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.AddBan(ctx, req)
	if err != nil {
		return err
	}
	if err := a.printAddedBan(resp); err != nil {
		return err
	}
	if !resp.GetDurable() {
		a.say("the ban ends with the gateway's process; to keep bans, give the gateway --state-dir")
	}
	return a.ending(resp.GetFleet(), exitDone)
}

// printAddedBan shows the ban, and what came of it.
func (a *app) printAddedBan(resp *sockgatev1.AddBanResponse) error {
	ban := resp.GetBan()
	switch {
	case a.structured():
		return a.printMessage(resp)
	case a.output == formatName:
		return a.printName(clean(ban.GetTarget()))
	}
	t := a.newTable("TARGET", "EXPIRES", "CLOSED", "REPLACED")
	t.add(ban.GetTarget(), a.banEnd(ban), fmt.Sprint(resp.GetClosed()), fmt.Sprint(resp.GetReplaced()))
	if err := t.flush(); err != nil {
		return err
	}
	return a.printNodeResults(resp.GetFleet(), "closed")
}

// banEnd says when a ban ends.
func (a *app) banEnd(ban *sockgatev1.Ban) string {
	if ban.GetExpiresAt() == nil {
		return "never"
	}
	return a.timeText(ban.GetExpiresAt())
}

// banListCommand is `ctl ban list`.
func (a *app) banListCommand() *cobra.Command {
	var s scopeFlags
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List the bans: networks, then identities; in a fleet node by node",
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.run(func(cmd *cobra.Command, _ []string) error { return a.banList(cmd.Context(), &s) }),
	}
	a.registerScope(cmd, &s)
	return cmd
}

// banList prints the bans as their pages arrive.
func (a *app) banList(ctx context.Context, s *scopeFlags) error {
	if err := s.check(); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var rows *banRows
	var absent absentees
	req := &sockgatev1.ListBansRequest{PageSize: maxPage, Scope: a.scope(s)}
	for {
		resp, err := a.bansPage(ctx, c, req)
		if err != nil {
			a.sayAbsent(&absent)
			return err
		}
		absent.add(resp.GetFleet())
		if rows == nil {
			rows = a.newBanRows(resp.GetFleet() != nil)
		}
		for _, ban := range resp.GetBans() {
			if err := rows.add(ban); err != nil {
				return err
			}
		}
		if err := rows.flush(); err != nil {
			return err
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			a.sayAbsent(&absent)
			return exitWith(absent.exitCode(exitDone))
		}
	}
}

// bansPage asks for one page, within the timeout.
func (a *app) bansPage(ctx context.Context, c *client, req *sockgatev1.ListBansRequest) (*sockgatev1.ListBansResponse, error) {
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	return c.ListBans(ctx, req)
}

// banRows prints bans in any format.
type banRows struct {
	app   *app
	table *table
	named map[string]bool // nil unless several nodes may have a ban of the same target
}

// newBanRows chooses the columns: in a fleet, the node as well.
func (a *app) newBanRows(fleet bool) *banRows {
	header := []string{"TARGET", "EXPIRES", "REASON", "BY", "REFUSED"}
	if a.wide() {
		header = append(header, "IDENTITY", "CREATED")
	}
	if !fleet {
		return &banRows{app: a, table: a.newTable(header...)}
	}
	return &banRows{app: a, table: a.newTable(append(header, "NODE")...), named: map[string]bool{}}
}

// add prints one ban, or holds it for the table's next flush. Names are printed once, however many nodes have the ban.
func (r *banRows) add(ban *sockgatev1.Ban) error {
	a := r.app
	switch {
	case a.structured():
		return a.printMessage(ban)
	case a.output == formatName && r.named[ban.GetTarget()]:
		return nil
	case a.output == formatName:
		if r.named != nil {
			r.named[ban.GetTarget()] = true
		}
		return a.printName(clean(ban.GetTarget()))
	}
	cells := []string{ban.GetTarget(), a.banEnd(ban), ban.GetReason(), ban.GetCreatedBy(), fmt.Sprint(ban.GetRefused())}
	if a.wide() {
		cells = append(cells, fmt.Sprint(ban.GetIdentity()), a.timeText(ban.GetCreatedAt()))
	}
	if r.named != nil {
		cells = append(cells, ban.GetNode())
	}
	r.table.add(cells...)
	return nil
}

// flush makes everything that was added visible.
func (r *banRows) flush() error {
	if r.app.tabular() {
		if err := r.table.flush(); err != nil {
			return err
		}
	}
	return r.app.stdout.Flush()
}

// banRemoveCommand is `ctl ban remove`.
func (a *app) banRemoveCommand() *cobra.Command {
	var o banOptions
	cmd := &cobra.Command{
		Use:               "remove TARGET",
		Short:             "End a ban",
		Args:              exactly(1, "one TARGET"),
		ValidArgsFunction: a.completeBans,
		RunE:              a.run(func(cmd *cobra.Command, args []string) error { return a.banRemove(cmd.Context(), args[0], o) }),
	}
	o.registerIdentity(cmd)
	a.registerScope(cmd, &o.scope)
	return cmd
}

// banRemove ends the ban, and shows what it was.
func (a *app) banRemove(ctx context.Context, target string, o banOptions) error {
	identity, err := o.isIdentity(target)
	if err != nil {
		return err
	}
	if err := o.scope.check(); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.RemoveBan(ctx, &sockgatev1.RemoveBanRequest{Target: target, Identity: identity, Scope: a.scope(&o.scope)})
	if err != nil {
		return err
	}
	if err := a.printRemovedBan(resp); err != nil {
		return err
	}
	return a.ending(resp.GetFleet(), exitDone)
}

// printRemovedBan shows what was removed; to a program, in a fleet, with the nodes.
func (a *app) printRemovedBan(resp *sockgatev1.RemoveBanResponse) error {
	if a.structured() && resp.GetFleet() != nil {
		return a.printMessage(resp)
	}
	rows := a.newBanRows(false)
	if err := rows.add(resp.GetBan()); err != nil {
		return err
	}
	if err := rows.flush(); err != nil {
		return err
	}
	return a.printNodeResults(resp.GetFleet())
}

// completeBans offers what is banned, with the reasons.
func (a *app) completeBans(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	c, err := a.connect()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.close()
	resp, err := c.ListBans(ctx, &sockgatev1.ListBansRequest{PageSize: maxPage})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, ban := range resp.GetBans() {
		if strings.HasPrefix(ban.GetTarget(), prefix) {
			found = append(found, cobra.CompletionWithDesc(ban.GetTarget(), clean(ban.GetReason())))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
