// Package events prints the events of a stream: one line for each, with its actor, its outcome and its details.
package events

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/textcode"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxCarries bounds the characters that wait for their next packet, one a connection.
const maxCarries = 1 << 16

// Printer prints events in any format; in a table, one line each.
type Printer struct {
	app      *app.App
	encoding string            // how DATA is shown
	carries  map[string][]byte // by connection: the beginning of a character whose rest is in the next packet
	Several  bool              // there are events of more than one node
}

// NewPrinter makes a printer that shows DATA in this encoding.
func NewPrinter(a *app.App, encoding string) *Printer {
	return &Printer{app: a, encoding: encoding, carries: map[string][]byte{}}
}

// Print prints one event.
func (p *Printer) Print(e *pb.Event) error {
	switch {
	case p.app.Structured():
		return p.app.PrintMessage(e)
	case !p.app.Tabular():
		return p.app.PrintName(e.GetConnection().GetId())
	default:
		return p.app.Stdout.PaintedLine(p.line(e)...)
	}
}

// line is "time type id details", the columns two spaces apart. An event without a connection has "-" for its ID.
// Where there are several nodes it has its node's name instead: IDs begin with that.
func (p *Printer) line(e *pb.Event) []app.Painted {
	a := p.app
	when := a.ClockText(e.GetTime().AsTime())
	if a.Wide() {
		when = fmt.Sprintf("%s  %d", a.TimeText(e.GetTime()), e.GetSequence())
	}
	id := "-"
	if e.GetConnection() != nil {
		id = e.GetConnection().GetId()
	} else if p.Several && e.GetNode() != "" {
		id = e.GetNode()
	}
	rest := strings.Join(append([]string{"", id}, p.details(e)...), "  ")
	return []app.Painted{app.Text(when + "  "), app.Paint(a.Color(), typeColor(e.GetType()),
		fmt.Sprintf("%-16s", app.TypeText(e.GetType()))), app.Text(strings.TrimRight(rest, " "))}
}

// details are the columns that only this type of event has.
func (p *Printer) details(e *pb.Event) []string {
	c := e.GetConnection()
	switch e.GetType() {
	case pb.EventType_EVENT_TYPE_CONNECTED:
		return []string{route(c), fmt.Sprintf("connections=%d", e.GetConnected().GetConnections()) + peerText(c)}
	case pb.EventType_EVENT_TYPE_PRESENT:
		return []string{route(c), app.StateText(c.GetState()) + peerText(c) + ownerText(c)}
	case pb.EventType_EVENT_TYPE_ENDED:
		return []string{route(c), "received=" + units.HumanBytes(c.GetBytesReceived())}
	case pb.EventType_EVENT_TYPE_DATA:
		return []string{p.dataText(c.GetId(), e.GetData()) + " " + totalsText(c)}
	case pb.EventType_EVENT_TYPE_CLOSED:
		delete(p.carries, c.GetId())
		return []string{route(c), closedText(c, e.GetClosed())}
	case pb.EventType_EVENT_TYPE_CONTROL:
		return []string{controlText(p.app, e.GetControl())}
	case pb.EventType_EVENT_TYPE_GAP:
		clear(p.carries)
		return []string{"events missed: " + GapText(e.GetGap())}
	default:
		if c != nil {
			return []string{route(c), otherDetails(p.app, e)}
		}
		return []string{otherDetails(p.app, e)}
	}
}

func otherDetails(a *app.App, e *pb.Event) string {
	switch d := e.GetDetails().(type) {
	case *pb.Event_Listener:
		if d.Listener.GetName() == d.Listener.GetAddress() {
			return app.Clean(d.Listener.GetAddress())
		}
		return app.Clean(d.Listener.GetName() + " " + d.Listener.GetAddress())
	case *pb.Event_IdleTimeout:
		return fmt.Sprintf("idle=%s closing=%t", units.DurationText(d.IdleTimeout.GetIdle()), d.IdleTimeout.GetClosing())
	case *pb.Event_Backpressure:
		return pauseText(d.Backpressure) + ownerText(e.GetConnection())
	case *pb.Event_Error:
		return errorText(d.Error)
	case *pb.Event_Refused:
		return refusedText(d.Refused)
	case *pb.Event_Drain:
		return drainText(a, d.Drain)
	case *pb.Event_SnapshotComplete:
		return snapshotText(d.SnapshotComplete)
	case *pb.Event_Member:
		return memberText(d.Member)
	case *pb.Event_Handler:
		return laneText(a, d.Handler)
	case *pb.Event_Stalled:
		return stalledText(d.Stalled)
	default:
		return ""
	}
}

// snapshotText is the size of a snapshot, and the nodes that it lacks.
func snapshotText(d *pb.SnapshotCompleteDetails) string {
	text := fmt.Sprintf("connections=%d cursor=%s", d.GetConnections(), app.Clean(d.GetCursor()))
	if missing := d.GetMissingNodes(); len(missing) > 0 {
		text += " missing=" + app.Clean(strings.Join(missing, ","))
	}
	return text
}

// memberText describes a change of a node of the fleet.
func memberText(d *pb.NodeDetails) string {
	text := app.Clean(d.GetNode()+"."+d.GetIncarnation()) + fmt.Sprintf(" connections=%d", d.GetConnections())
	if d.GetVersion() != "" {
		text += " version=" + app.Word(d.GetVersion())
	}
	if d.GetSilent() != nil {
		text += " silent=" + units.DurationText(d.GetSilent())
	}
	if d.GetCount() > 0 {
		text += fmt.Sprintf(" count=%d", d.GetCount())
	}
	if d.GetMessage() != "" {
		text += " " + strconv.Quote(d.GetMessage())
	}
	return text
}

// route is "peer -> gateway".
func route(c *pb.Connection) string {
	return app.Clean(c.GetRemoteAddress() + " -> " + c.GetLocalAddress())
}

// peerText is the peer's TLS version, identity and proxy, with a space in front; empty for a plain connection.
func peerText(c *pb.Connection) string {
	text := ""
	if c.GetTlsVersion() != "" {
		text += " tls=" + app.Clean(strings.ReplaceAll(c.GetTlsVersion(), " ", ""))
	}
	if c.GetPeerIdentity() != "" {
		text += " identity=" + app.Word(c.GetPeerIdentity())
	}
	if c.GetProxyAddress() != "" {
		text += " proxy=" + app.Clean(c.GetProxyAddress())
	}
	return text
}

// totalsText has a connection's bytes in both directions.
func totalsText(c *pb.Connection) string {
	return fmt.Sprintf("received=%s sent=%s", units.HumanBytes(c.GetBytesReceived()), units.HumanBytes(c.GetBytesSent()))
}

func closedText(c *pb.Connection, d *pb.ClosedDetails) string {
	text := fmt.Sprintf("%s %s lifetime=%s connections=%d", app.ReasonText(d.GetReason()), totalsText(c),
		units.DurationText(d.GetLifetime()), d.GetConnections())
	if d.GetUnsentBytes() > 0 {
		text += " unsent=" + units.HumanBytes(d.GetUnsentBytes())
	}
	if d.GetDiscardedBytes() > 0 {
		text += " discarded=" + units.HumanBytes(d.GetDiscardedBytes())
	}
	text += ownerText(c)
	if c.GetCloseText() != "" {
		text += " text=" + strconv.Quote(c.GetCloseText())
	}
	if c.GetClosedBy() != "" {
		text += " by=" + app.Word(c.GetClosedBy())
	}
	return text
}

func errorText(d *pb.ErrorDetails) string {
	text := fmt.Sprintf("%s %s", app.EnumText(d.GetOperation().String(), "ERROR_OPERATION_"),
		strconv.Quote(d.GetMessage()))
	if d.GetListener() != "" {
		text += " listener=" + app.Word(d.GetListener())
	}
	if d.GetCount() > 1 {
		text += fmt.Sprintf(" count=%d", d.GetCount())
	}
	return text
}

// refusedText is the reason of refusals, and the newest of them.
func refusedText(d *pb.RefusedDetails) string {
	text := app.ReasonText(d.GetReason())
	if d.GetMessage() != "" {
		text += " " + strconv.Quote(d.GetMessage())
	}
	if d.GetListener() != "" {
		text += " listener=" + app.Word(d.GetListener())
	}
	if d.GetRemoteAddress() != "" {
		text += " remote=" + app.Clean(d.GetRemoteAddress())
	}
	if d.GetCount() > 1 {
		text += fmt.Sprintf(" count=%d", d.GetCount())
	}
	return text
}

func drainText(a *app.App, d *pb.DrainDetails) string {
	text := fmt.Sprintf("connections=%d", d.GetConnections())
	if d.GetDeadline() != nil {
		text += " deadline=" + a.ClockText(d.GetDeadline().AsTime())
	}
	if n := d.GetEndedByThemselves() + d.GetClosedAtDeadline(); n > 0 {
		text += fmt.Sprintf(" ended=%d closed=%d", d.GetEndedByThemselves(), d.GetClosedAtDeadline())
	}
	if d.GetReason() != "" {
		text += " reason=" + strconv.Quote(d.GetReason())
	}
	return text
}

// controlText is the audit line of a verb: the caller, the targets, the changes and the outcomes.
func controlText(a *app.App, d *pb.ControlDetails) string {
	text := app.Clean(d.GetVerb()) + actorText(a, d, d.GetRole())
	if d.GetFilter() != "" {
		text += " filter=" + strconv.Quote(d.GetFilter())
	}
	if ids := d.GetConnectionIds(); len(ids) > 0 {
		text += " ids=" + app.Word(strings.Join(ids, ","))
	}
	if set := d.GetSetLabels(); len(set) > 0 {
		text += " set=" + app.Word(app.LabelText(set))
	}
	if removed := d.GetRemovedLabels(); len(removed) > 0 {
		text += " removed=" + app.Clean(strings.Join(removed, ","))
	}
	if d.GetBan() != "" {
		text += " ban=" + app.Word(d.GetBan())
	}
	for _, name := range slices.Sorted(maps.Keys(d.GetChanges())) {
		text += " " + app.Clean(app.Kebab(name)) + "=" + strconv.Quote(d.GetChanges()[name])
	}
	if d.GetMatched() > 0 || actsOnConnections(d.GetVerb()) {
		text += fmt.Sprintf(" matched=%d", d.GetMatched())
	}
	if d.GetViaNode() != "" {
		text += " via=" + app.Clean(d.GetViaNode())
	}
	if len(d.GetNodes()) > 0 {
		text += " nodes=" + app.Clean(answersText(d.GetNodes()))
	}
	var outcomes []string
	for name, n := range d.GetOutcomes() {
		outcomes = append(outcomes, app.Clean(fmt.Sprintf("%s=%d", name, n)))
	}
	slices.Sort(outcomes)
	for _, o := range outcomes {
		text += " " + o
	}
	if d.GetDataBytes() > 0 {
		text += " data=" + units.HumanBytes(d.GetDataBytes())
	}
	if d.GetReason() != "" {
		text += " reason=" + strconv.Quote(d.GetReason())
	}
	if d.GetRequestId() != "" {
		text += " request-id=" + app.Word(d.GetRequestId())
	}
	return text
}

// answersText is each node's answer: "edge-1:OK,edge-3:TIMED_OUT".
func answersText(answers map[string]string) string {
	var parts []string
	for _, node := range slices.Sorted(maps.Keys(answers)) {
		parts = append(parts, node+":"+answers[node])
	}
	return strings.Join(parts, ",")
}

// actsOnConnections reports whether a verb's targets are connections, so that "matched=0" is worth a word.
func actsOnConnections(verb string) bool {
	return verb != "UpdateLimits" && verb != "AddBan" && verb != "RemoveBan" && verb != "ForgetNode" &&
		verb != "DrainInstance"
}

// actor is a caller as the details of an event have it.
type actor interface {
	GetActor() string
	GetProof() string
	GetSourceAddress() string
}

// actorText names the caller, with a space in front. For a caller without proof that is its address alone, unless the
// output is wide.
func actorText(a *app.App, d actor, role string) string {
	text := " by=" + app.Word(d.GetActor())
	if d.GetProof() == "" || d.GetProof() == "none" && !a.Wide() {
		return text
	}
	text += " proof=" + app.Clean(d.GetProof())
	if role != "" {
		text += " role=" + app.Clean(role)
	}
	if d.GetSourceAddress() != "" {
		text += " from=" + app.Clean(d.GetSourceAddress())
	}
	return text
}

// dataText shows received bytes. In utf8 a character may begin in one packet and end in the next, unless bytes
// between the two were cut off.
func (p *Printer) dataText(id string, d *pb.DataDetails) string {
	decoder := textcode.TextDecoder{Encoding: p.encoding, Carry: p.carries[id]}
	text := decoder.Decode(d.GetData())
	cut := d.GetTotalBytes() > uint64(len(d.GetData()))
	if cut {
		text += decoder.Flush()
	}
	delete(p.carries, id)
	if len(decoder.Carry) > 0 && len(p.carries) < maxCarries {
		p.carries[id] = decoder.Carry
	}
	if p.encoding == textcode.EncodingUTF8 {
		text = strconv.Quote(text)
	}
	if cut {
		text += fmt.Sprintf(" (the first %d of %d bytes)", len(d.GetData()), d.GetTotalBytes())
	}
	return text
}

// typeColor is the ANSI colour of an event's type: green for beginnings, red for trouble, yellow for its signs.
func typeColor(t pb.EventType) string {
	switch t {
	case pb.EventType_EVENT_TYPE_CONNECTED, pb.EventType_EVENT_TYPE_PRESENT,
		pb.EventType_EVENT_TYPE_LISTENING,
		pb.EventType_EVENT_TYPE_NODE_JOINED, pb.EventType_EVENT_TYPE_NODE_RECOVERED,
		pb.EventType_EVENT_TYPE_HANDLER_ATTACHED:
		return "32"
	case pb.EventType_EVENT_TYPE_ERROR, pb.EventType_EVENT_TYPE_GAP,
		pb.EventType_EVENT_TYPE_NODE_UNREACHABLE, pb.EventType_EVENT_TYPE_NODE_VIOLATION:
		return "31"
	case pb.EventType_EVENT_TYPE_REFUSED, pb.EventType_EVENT_TYPE_IDLE_TIMEOUT,
		pb.EventType_EVENT_TYPE_BACKPRESSURE_ON,
		pb.EventType_EVENT_TYPE_DRAIN_STARTED, pb.EventType_EVENT_TYPE_DRAIN_PROGRESS,
		pb.EventType_EVENT_TYPE_NODE_SUSPECT,
		pb.EventType_EVENT_TYPE_NODE_LEFT,
		pb.EventType_EVENT_TYPE_HANDLER_DETACHED, pb.EventType_EVENT_TYPE_HANDLER_STALLED:
		return "33"
	default:
		return "36"
	}
}

// GapText shows a gap's reason and range.
func GapText(gap *pb.GapDetails) string {
	text := app.EnumText(gap.GetReason().String(), "GAP_REASON_")
	switch {
	case gap.GetDataEvents() > 0:
		text += fmt.Sprintf(" data-events=%d", gap.GetDataEvents())
	case gap.GetFrom() > 0 || gap.GetTo() > 0:
		text += fmt.Sprintf(" from=%d to=%d", gap.GetFrom(), gap.GetTo())
	}
	if gap.GetRequestedCursor() != "" {
		text += " requested=" + app.Clean(gap.GetRequestedCursor())
	}
	if gap.GetMessage() != "" {
		text += " " + strconv.Quote(gap.GetMessage())
	}
	return text
}
