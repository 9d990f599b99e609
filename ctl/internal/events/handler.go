package events

import (
	"fmt"
	"strconv"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pauseText is a pause of reading. An older gateway gives no cause.
func pauseText(d *pb.BackpressureDetails) string {
	text := fmt.Sprintf("paused=%s queued=%s", units.DurationText(d.GetPaused()), units.HumanBytes(d.GetQueuedBytes()))
	if cause := app.EnumText(d.GetCause().String(), "BACKPRESSURE_CAUSE_"); cause != "" {
		text += " cause=" + cause
	}
	return text
}

// ownerText is the instance that owns a connection, and the bytes that it owes, with a space in front; empty for a
// connection without a remote handler.
func ownerText(c *pb.Connection) string {
	text := ""
	if c.GetHandlerInstance() != "" {
		text += " instance=" + app.Word(c.GetHandlerInstance())
	}
	if c.GetUnacknowledgedBytes() > 0 {
		text += " unacknowledged=" + units.HumanBytes(c.GetUnacknowledgedBytes())
	}
	return text
}

// laneText describes a lane of a remote handler. Its connections are counted where there are any.
func laneText(a *app.App, d *pb.HandlerDetails) string {
	text := fmt.Sprintf("%s instance=%s lane=%d lanes=%d", app.Word(d.GetHandler()), app.Word(d.GetInstance()),
		d.GetLane(), d.GetLanes())
	if d.GetConnections() > 0 {
		text += fmt.Sprintf(" connections=%d", d.GetConnections())
	}
	if d.GetMoved() > 0 || d.GetHeld() > 0 {
		text += fmt.Sprintf(" moved=%d held=%d", d.GetMoved(), d.GetHeld())
	}
	text += actorText(a, d, "")
	if d.GetMessage() != "" {
		text += " " + strconv.Quote(d.GetMessage())
	}
	return text
}

// stalledText describes a connection without an acknowledgement.
func stalledText(d *pb.StalledDetails) string {
	return fmt.Sprintf("instance=%s stalled=%s unacknowledged=%s position=%d", app.Word(d.GetInstance()),
		units.DurationText(d.GetStalled()), units.HumanBytes(d.GetUnacknowledgedBytes()), d.GetPosition())
}
