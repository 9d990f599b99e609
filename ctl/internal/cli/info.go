package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/limits"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func infoCommand(a *app.App) *cobra.Command {
	var s app.ScopeFlags
	cmd := &cobra.Command{
		Use:               "info",
		Short:             "Describe the gateway and the caller: identity, listeners, limits, totals, memory",
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(cmd *cobra.Command, _ []string) error { return info(cmd.Context(), a, &s) }),
	}
	a.RegisterNode(cmd, &s, "this `NODE` of the fleet (default the one that is asked)")
	return cmd
}

func info(ctx context.Context, a *app.App, s *app.ScopeFlags) error {
	if len(s.Nodes) > 1 {
		return app.Usagef("info describes one gateway, and --node is given %d times", len(s.Nodes))
	}
	if err := s.Check(); err != nil {
		return err
	}
	req := &pb.GetGatewayRequest{}
	if len(s.Nodes) > 0 {
		req.Scope = a.Scope(s)
	}
	resp, err := app.Ask(ctx, a, app.API.GetGateway, req)
	if err != nil {
		return err
	}
	if err := printInfo(a, resp); err != nil {
		return err
	}
	return a.Ending(resp.GetFleet(), app.ExitDone)
}

func printInfo(a *app.App, resp *pb.GetGatewayResponse) error {
	switch {
	case a.Structured():
		return a.PrintMessage(resp)
	case a.Output == app.FormatName:
		return a.PrintName(resp.GetNode())
	default:
		return infoSections(a, resp).Flush()
	}
}

// infoSections lays the answer out.
func infoSections(a *app.App, g *pb.GetGatewayResponse) *app.Sections {
	s := a.NewSections()
	s.Title("Gateway")
	s.Row("node", g.GetNode())
	s.Row("incarnation", g.GetIncarnation())
	s.Row("version", g.GetVersion())
	s.Row("engine", g.GetEngine())
	s.Row("started", a.TimeText(g.GetStartedAt()))
	s.Row("uptime", units.DurationText(g.GetUptime()))
	s.Row("cursor", g.GetCursor())
	s.Row("oldest event", fmt.Sprint(g.GetOldestSequence()))
	s.Row("draining", drainingText(a, g))
	s.Row("memory", memoryText(g.GetProcess()))
	s.Row("goroutines", goroutinesText(g.GetProcess()))
	s.Row("caller", callerText(g.GetCaller()))
	fleetRows(a, s, g.GetFleetInfo())
	s.Title("Listeners")
	for _, l := range g.GetListeners() {
		s.Row(l.GetName(), listenerText(l))
	}
	limitRows(s, g.GetLimits())
	budgetRows(s, g.GetBudgets())
	totalRows(s, g.GetTotals())
	return s
}

// fleetRows describes the fleet, if there is one.
func fleetRows(a *app.App, s *app.Sections, f *pb.FleetInfo) {
	if f == nil {
		return
	}
	connected := "yes"
	if !f.GetConnected() {
		connected = "no"
	}
	if f.GetSince() != nil {
		connected += ", since " + a.TimeText(f.GetSince())
	}
	if f.GetProblem() != "" {
		connected += ": " + f.GetProblem()
	}
	s.Title("Fleet")
	s.Row("name", f.GetName())
	s.Row("mode", f.GetMode())
	s.Row("connected", connected)
	s.Row("state", app.NodeStateText(f.GetState()))
	s.Row("nodes", fmt.Sprint(f.GetNodes()))
}

func drainingText(a *app.App, g *pb.GetGatewayResponse) string {
	if !g.GetDraining() {
		return "no"
	}
	return "yes, the rest is closed at " + a.TimeText(g.GetDrainDeadline())
}

// memoryText shows the process's memory: the heap alone where the gateway does not know its resident memory, and
// nothing for an older gateway, which does not tell.
func memoryText(p *pb.Process) string {
	if p == nil {
		return ""
	}
	heap := units.HumanBytes(p.GetHeapBytes()) + " heap"
	if p.GetResidentBytes() == 0 {
		return heap
	}
	return units.HumanBytes(p.GetResidentBytes()) + " resident, " + heap
}

func goroutinesText(p *pb.Process) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(p.GetGoroutines())
}

// callerText shows the caller's identity, its proof and its role; nothing for an older gateway, which does not tell.
func callerText(c *pb.Caller) string {
	if c == nil {
		return ""
	}
	proof := "proven by " + c.GetProof()
	if c.GetProof() == "" || c.GetProof() == "none" {
		proof = "not proven"
	}
	return fmt.Sprintf("%s, %s, role %s", c.GetIdentity(), proof, orNone(roleText(c.GetRole()), c.GetRole() == 0))
}

func roleText(r pb.Role) string { return strings.ToLower(app.EnumText(r.String(), "ROLE_")) }

// listenerText describes one listener: its address unless that is its name, and its protocol settings.
func listenerText(l *pb.Listener) string {
	state := "open"
	if !l.GetOpen() {
		state = "closed"
	}
	text := fmt.Sprintf("%s %s, %s", l.GetHandler(), state, app.Plural(l.GetConnections(), "connection"))
	if l.GetTls() {
		text += ", TLS"
	}
	if auth := l.GetClientAuth(); auth != "" && auth != "off" {
		text += ", client certificates " + auth
	}
	if proxy := l.GetProxyProtocol(); proxy != "" && proxy != "off" {
		text += ", PROXY " + proxy
	}
	if framing := l.GetFraming(); framing != "" && framing != "raw" {
		text += fmt.Sprintf(", frames %s of at most %s", framing, units.HumanBytes(l.GetMaxFrameBytes()))
	}
	if l.GetName() == l.GetAddress() {
		return text
	}
	return l.GetAddress() + " " + text
}

func limitRows(s *app.Sections, l *pb.Limits) {
	s.Title("Limits")
	s.Row("connections", orNone(fmt.Sprint(l.GetMaxConnections()), l.GetMaxConnections() == 0))
	s.Row("high water", units.HumanBytes(l.GetHighWater()))
	s.Row("low water", units.HumanBytes(l.GetLowWater()))
	s.Row("send queue", units.HumanBytes(l.GetSendQueueLimit()))
	s.Row("write timeout", units.DurationText(l.GetWriteTimeout()))
	idle := l.GetIdleTimeout().AsDuration()
	s.Row("idle timeout", orNone(fmt.Sprintf("%s, then %s", units.HumanDuration(idle), l.GetIdleAction()), idle == 0))
	s.Row("drain timeout", units.DurationText(l.GetDrainTimeout()))
	s.Row("events kept", fmt.Sprint(l.GetEventLogSize()))
	for _, f := range limits.Admission() {
		if f.IsSet(l) {
			s.Row(strings.ReplaceAll(f.Name(), "-", " "), f.Text(l))
		}
	}
}

func totalRows(s *app.Sections, t *pb.Totals) {
	s.Title("Totals")
	s.Row("connections", fmt.Sprintf("%d live, %d accepted, %d refused", t.GetConnections(), t.GetAccepted(),
		t.GetRefused()))
	s.Row("accept errors", fmt.Sprint(t.GetAcceptErrors()))
	if len(t.GetRefusals()) > 0 {
		s.Row("refusals", countsText(t.GetRefusals()))
	}
	s.Row("pending", fmt.Sprint(t.GetPending()))
	if len(t.GetDeniedCalls()) > 0 {
		s.Row("denied calls", countsText(t.GetDeniedCalls()))
	}
	s.Row("closed", countsText(t.GetClosed()))
	s.Row("received", units.HumanBytes(t.GetBytesReceived()))
	s.Row("sent", units.HumanBytes(t.GetBytesSent()))
	s.Row("unsent", units.HumanBytes(t.GetBytesUnsent()))
	s.Row("discarded", units.HumanBytes(t.GetBytesDiscarded()))
	s.Row("queued", units.HumanBytes(t.GetQueuedBytes()))
	s.Row("sends dropped", fmt.Sprint(t.GetSendsDropped()))
	s.Row("read pauses", fmt.Sprint(t.GetReadPauses()))
	s.Row("rate pauses", fmt.Sprint(t.GetRatePauses()))
	s.Row("handler pauses", fmt.Sprint(t.GetHandlerPauses()))
	s.Row("held", fmt.Sprint(t.GetHeld()))
	s.Row("unacknowledged", units.HumanBytes(t.GetUnacknowledgedBytes()))
	s.Row("event streams", fmt.Sprint(t.GetEventStreams()))
	s.Row("events missed", fmt.Sprint(t.GetEventsMissed()))
}

func orNone(text string, none bool) string {
	if none {
		return "none"
	}
	return text
}

// countsText is the sum, and the parts in the order of their names.
func countsText(counts map[string]uint64) string {
	var sum uint64
	var parts []string
	for name, n := range counts {
		sum += n
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return fmt.Sprint(sum)
	}
	return fmt.Sprintf("%d (%s)", sum, strings.Join(parts, ", "))
}
