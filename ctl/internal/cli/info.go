package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func (a *app) infoCommand() *cobra.Command {
	var s scopeFlags
	cmd := &cobra.Command{
		Use:               "info",
		Short:             "Describe the gateway, and who is asking: identity, listeners, limits, totals, memory",
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.run(func(cmd *cobra.Command, _ []string) error { return a.info(cmd.Context(), &s) }),
	}
	a.registerNode(cmd, &s, "this `NODE` of the fleet (default the one that is asked)")
	return cmd
}

func (a *app) info(ctx context.Context, s *scopeFlags) error {
	if len(s.nodes) > 1 {
		return usagef("info describes one gateway, and --node is given %d times", len(s.nodes))
	}
	if err := s.check(); err != nil {
		return err
	}
	req := &sockgatev1.GetGatewayRequest{}
	if len(s.nodes) > 0 {
		req.Scope = a.scope(s)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	callCtx, cancel := a.within(ctx, 0)
	defer cancel()
	resp, err := c.GetGateway(callCtx, req)
	if err != nil {
		return err
	}
	if err := a.printInfo(resp); err != nil {
		return err
	}
	return a.ending(resp.GetFleet(), exitDone)
}

func (a *app) printInfo(resp *sockgatev1.GetGatewayResponse) error {
	switch {
	case a.structured():
		return a.printMessage(resp)
	case a.output == formatName:
		return a.printName(resp.GetNode())
	default:
		_, err := a.stdout.WriteString(a.infoText(resp))
		return err
	}
}

// infoText lays the answer out in sections.
func (a *app) infoText(g *sockgatev1.GetGatewayResponse) string {
	var s sections
	s.bold = a.color()
	s.title("Gateway")
	s.row("node", g.GetNode())
	s.row("incarnation", g.GetIncarnation())
	s.row("version", g.GetVersion())
	s.row("engine", g.GetEngine())
	s.row("started", a.timeText(g.GetStartedAt()))
	s.row("uptime", durationText(g.GetUptime()))
	s.row("cursor", g.GetCursor())
	s.row("oldest event", fmt.Sprint(g.GetOldestSequence()))
	s.row("draining", drainingText(a, g))
	s.row("memory", memoryText(g.GetProcess()))
	s.row("goroutines", goroutinesText(g.GetProcess()))
	s.row("caller", callerText(g.GetCaller()))
	a.fleetRows(&s, g.GetFleetInfo())
	s.title("Listeners")
	for _, l := range g.GetListeners() {
		s.row(l.GetName(), listenerText(l))
	}
	limitRows(&s, g.GetLimits())
	totalRows(&s, g.GetTotals())
	return s.text()
}

// fleetRows tells of the fleet, if there is one.
func (a *app) fleetRows(s *sections, f *sockgatev1.FleetInfo) {
	if f == nil {
		return
	}
	connected := "yes"
	if !f.GetConnected() {
		connected = "no"
	}
	if f.GetSince() != nil {
		connected += ", since " + a.timeText(f.GetSince())
	}
	if f.GetProblem() != "" {
		connected += ": " + f.GetProblem()
	}
	s.title("Fleet")
	s.row("name", f.GetName())
	s.row("mode", f.GetMode())
	s.row("connected", connected)
	s.row("state", nodeStateText(f.GetState()))
	s.row("nodes", fmt.Sprint(f.GetNodes()))
}

func drainingText(a *app, g *sockgatev1.GetGatewayResponse) string {
	if !g.GetDraining() {
		return "no"
	}
	return "yes, the rest is closed at " + a.timeText(g.GetDrainDeadline())
}

// memoryText shows what the process uses: the heap only where the gateway does not know its resident memory, and nothing of an
// older gateway, which does not tell.
func memoryText(p *sockgatev1.Process) string {
	if p == nil {
		return ""
	}
	heap := humanBytes(p.GetHeapBytes()) + " heap"
	if p.GetResidentBytes() == 0 {
		return heap
	}
	return humanBytes(p.GetResidentBytes()) + " resident, " + heap
}

func goroutinesText(p *sockgatev1.Process) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(p.GetGoroutines())
}

// callerText says who asks, how that was proven, and what it may do; nothing of an older gateway, which does not tell.
func callerText(c *sockgatev1.Caller) string {
	if c == nil {
		return ""
	}
	proof := "proven by " + c.GetProof()
	if c.GetProof() == "" || c.GetProof() == "none" {
		proof = "not proven"
	}
	return fmt.Sprintf("%s, %s, role %s", c.GetIdentity(), proof, orNone(roleText(c.GetRole()), c.GetRole() == 0))
}

func roleText(r sockgatev1.Role) string { return strings.ToLower(enumText(r.String(), "ROLE_")) }

// listenerText tells of one listener: its address unless that is its name, and how connections come to it.
func listenerText(l *sockgatev1.Listener) string {
	state := "open"
	if !l.GetOpen() {
		state = "closed"
	}
	text := fmt.Sprintf("%s %s, %s", l.GetHandler(), state, plural(l.GetConnections(), "connection"))
	if l.GetTls() {
		text += ", TLS"
	}
	if auth := l.GetClientAuth(); auth != "" && auth != "off" {
		text += ", client certificates " + auth
	}
	if proxy := l.GetProxyProtocol(); proxy != "" && proxy != "off" {
		text += ", PROXY " + proxy
	}
	if l.GetName() == l.GetAddress() {
		return text
	}
	return l.GetAddress() + " " + text
}

func limitRows(s *sections, l *sockgatev1.Limits) {
	s.title("Limits")
	s.row("connections", orNone(fmt.Sprint(l.GetMaxConnections()), l.GetMaxConnections() == 0))
	s.row("high water", humanBytes(l.GetHighWater()))
	s.row("low water", humanBytes(l.GetLowWater()))
	s.row("send queue", humanBytes(l.GetSendQueueLimit()))
	s.row("write timeout", durationText(l.GetWriteTimeout()))
	idle := l.GetIdleTimeout().AsDuration()
	s.row("idle timeout", orNone(fmt.Sprintf("%s, then %s", humanDuration(idle), l.GetIdleAction()), idle == 0))
	s.row("drain timeout", durationText(l.GetDrainTimeout()))
	s.row("events kept", fmt.Sprint(l.GetEventLogSize()))
	for _, f := range admissionLimits() {
		if f.isSet(l) {
			s.row(strings.ReplaceAll(f.name(), "-", " "), f.text(l))
		}
	}
}

func totalRows(s *sections, t *sockgatev1.Totals) {
	s.title("Totals")
	s.row("connections", fmt.Sprintf("%d live, %d accepted, %d refused", t.GetConnections(), t.GetAccepted(), t.GetRefused()))
	s.row("accept errors", fmt.Sprint(t.GetAcceptErrors()))
	if len(t.GetRefusals()) > 0 {
		s.row("refusals", countsText(t.GetRefusals()))
	}
	s.row("pending", fmt.Sprint(t.GetPending()))
	if len(t.GetDeniedCalls()) > 0 {
		s.row("denied calls", countsText(t.GetDeniedCalls()))
	}
	s.row("closed", countsText(t.GetClosed()))
	s.row("received", humanBytes(t.GetBytesReceived()))
	s.row("sent", humanBytes(t.GetBytesSent()))
	s.row("unsent", humanBytes(t.GetBytesUnsent()))
	s.row("discarded", humanBytes(t.GetBytesDiscarded()))
	s.row("queued", humanBytes(t.GetQueuedBytes()))
	s.row("sends dropped", fmt.Sprint(t.GetSendsDropped()))
	s.row("read pauses", fmt.Sprint(t.GetReadPauses()))
	s.row("rate pauses", fmt.Sprint(t.GetRatePauses()))
	s.row("event streams", fmt.Sprint(t.GetEventStreams()))
	s.row("events missed", fmt.Sprint(t.GetEventsMissed()))
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

// sections is text with titles and indented rows, whose values are aligned within a section.
type sections struct {
	b    strings.Builder
	bold bool
	rows [][2]string // of the section that is not written yet
}

// title begins a section.
func (s *sections) title(text string) {
	s.flush()
	if s.b.Len() > 0 {
		s.b.WriteByte('\n')
	}
	s.b.WriteString(paint(s.bold, "1", text) + "\n")
}

// row adds a row to the section.
func (s *sections) row(name, value string) {
	if value == "" {
		value = "-"
	}
	s.rows = append(s.rows, [2]string{clean(name), clean(value)})
}

// flush writes the rows of the section.
func (s *sections) flush() {
	width := 14
	for _, row := range s.rows {
		width = max(width, utf8.RuneCountInString(row[0]))
	}
	for _, row := range s.rows {
		fmt.Fprintf(&s.b, "  %-*s %s\n", width, row[0], row[1])
	}
	s.rows = nil
}

// text is everything so far.
func (s *sections) text() string {
	s.flush()
	return s.b.String()
}
