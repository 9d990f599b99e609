package app

import (
	"strconv"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ConnectionRows prints connections in any format.
type ConnectionRows struct {
	app       *App
	table     *Table // nil unless the format is a table
	withClose bool   // show the close reason
	withEvent bool   // show the event of each row
}

// NewConnectionRows chooses the columns. withClose adds the reason of the close, withEvent puts the event's name in
// front.
func (a *App) NewConnectionRows(withClose, withEvent bool) *ConnectionRows {
	r := &ConnectionRows{app: a, withClose: withClose || a.Wide(), withEvent: withEvent}
	if a.Tabular() {
		r.table = a.NewTable(r.header()...)
		if withEvent { // the first rows may be few, or none
			copy(r.table.widths, []int{len("BACKPRESSURE_OFF"), len("edge-1.19ab0d3f1c2.4242"), len("CLOSING"),
				len("127.0.0.1:50612"), len("3m12s"), len("3m12s")})
		}
	}
	return r
}

func (r *ConnectionRows) header() []string {
	var h []string
	if r.withEvent {
		h = append(h, "EVENT")
	}
	h = append(h, "ID", "STATE", "REMOTE", "AGE", "IDLE", "RECEIVED", "SENT", "QUEUED", "LABELS")
	if r.withClose {
		h = append(h, "REASON")
	}
	if r.app.Wide() {
		h = append(h, "LISTENER", "LOCAL", "CONNECTED", "ACTIVE", "CLOSED", "TEXT", "BY", "PAUSED",
			"IDENTITY", "TLS", "CIPHER", "ALPN", "SNI", "PROXY", "INSTANCE", "UNACKNOWLEDGED")
	}
	return h
}

// Add prints one connection, or holds it for the table's next Flush.
func (r *ConnectionRows) Add(event string, c *pb.Connection) error {
	switch {
	case r.table != nil:
		r.table.Add(r.cells(event, c)...)
		return nil
	case r.app.Structured():
		return r.app.PrintMessage(c)
	default:
		return r.app.PrintName(c.GetId())
	}
}

// Flush makes everything that was added visible.
func (r *ConnectionRows) Flush() error {
	if r.table != nil {
		if err := r.table.Flush(); err != nil {
			return err
		}
	}
	return r.app.Stdout.Flush()
}

func (r *ConnectionRows) cells(event string, c *pb.Connection) []string {
	a := r.app
	var cells []string
	if r.withEvent {
		cells = append(cells, event)
	}
	age, idle := a.since(c.GetConnectedAt()), a.since(c.GetLastActiveAt())
	if closed := c.GetClosedAt(); closed != nil {
		age, idle = units.HumanDuration(max(0, closed.AsTime().Sub(c.GetConnectedAt().AsTime()))), ""
	}
	cells = append(cells, c.GetId(), StateText(c.GetState()), c.GetRemoteAddress(), age, idle,
		units.HumanBytes(c.GetBytesReceived()), units.HumanBytes(c.GetBytesSent()), units.HumanBytes(c.GetQueuedBytes()),
		LabelText(c.GetLabels()))
	if r.withClose {
		cells = append(cells, ReasonText(c.GetCloseReason()))
	}
	if a.Wide() {
		cells = append(cells, c.GetListener(), c.GetLocalAddress(), a.TimeText(c.GetConnectedAt()),
			a.TimeText(c.GetLastActiveAt()), a.TimeText(c.GetClosedAt()), c.GetCloseText(), c.GetClosedBy(),
			strconv.FormatBool(c.GetReadPaused()), c.GetPeerIdentity(), c.GetTlsVersion(), c.GetTlsCipher(), c.GetTlsProtocol(),
			c.GetTlsServerName(), c.GetProxyAddress(), c.GetHandlerInstance(), units.HumanBytes(c.GetUnacknowledgedBytes()))
	}
	return cells
}

// StateText is a connection's state as tables show it.
func StateText(s pb.ConnectionState) string { return EnumText(s.String(), "CONNECTION_STATE_") }

// ReasonText is a close reason as tables show it.
func ReasonText(r pb.CloseReason) string { return EnumText(r.String(), "CLOSE_REASON_") }

// OutcomeText is an outcome as tables show it.
func OutcomeText(o pb.Outcome) string { return EnumText(o.String(), "OUTCOME_") }

// TypeText is an event's type as tables show it.
func TypeText(t pb.EventType) string { return EnumText(t.String(), "EVENT_TYPE_") }

// ClockText shows the time of day, in the zone of the clock.
func (a *App) ClockText(t time.Time) string {
	return t.In(a.Env.Now().Location()).Format("15:04:05.000")
}
