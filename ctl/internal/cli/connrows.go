package cli

import (
	"strconv"
	"time"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// connectionRows prints connections in any format.
type connectionRows struct {
	app       *app
	table     *table // nil unless the format is a table
	withClose bool   // show why connections ended
	withEvent bool   // show what happened to them
}

// newConnectionRows chooses the columns: those of closed connections, and the event's name in front.
func (a *app) newConnectionRows(withClose, withEvent bool) *connectionRows {
	r := &connectionRows{app: a, withClose: withClose || a.wide(), withEvent: withEvent}
	if a.tabular() {
		r.table = a.newTable(r.header()...)
		if withEvent { // the first rows may be few, or none
			copy(r.table.widths, []int{len("BACKPRESSURE_OFF"), len("edge-1.19ab0d3f1c2.4242"), len("CLOSING"), len("127.0.0.1:50612"), len("3m12s"), len("3m12s")})
		}
	}
	return r
}

func (r *connectionRows) header() []string {
	var h []string
	if r.withEvent {
		h = append(h, "EVENT")
	}
	h = append(h, "ID", "STATE", "REMOTE", "AGE", "IDLE", "RECEIVED", "SENT", "QUEUED", "LABELS")
	if r.withClose {
		h = append(h, "REASON")
	}
	if r.app.wide() {
		h = append(h, "LISTENER", "LOCAL", "CONNECTED", "ACTIVE", "CLOSED", "TEXT", "BY", "PAUSED",
			"IDENTITY", "TLS", "CIPHER", "ALPN", "SNI", "PROXY")
	}
	return h
}

// add prints one connection, or holds it for the table's next flush.
func (r *connectionRows) add(event string, c *sockgatev1.Connection) error {
	switch {
	case r.table != nil:
		r.table.add(r.cells(event, c)...)
		return nil
	case r.app.structured():
		return r.app.printMessage(c)
	default:
		return r.app.printName(c.GetId())
	}
}

// flush makes everything that was added visible.
func (r *connectionRows) flush() error {
	if r.table != nil {
		if err := r.table.flush(); err != nil {
			return err
		}
	}
	return r.app.stdout.Flush()
}

func (r *connectionRows) cells(event string, c *sockgatev1.Connection) []string {
	a := r.app
	var cells []string
	if r.withEvent {
		cells = append(cells, event)
	}
	age, idle := a.since(c.GetConnectedAt()), a.since(c.GetLastActiveAt())
	if closed := c.GetClosedAt(); closed != nil {
		age, idle = humanDuration(max(0, closed.AsTime().Sub(c.GetConnectedAt().AsTime()))), ""
	}
	cells = append(cells, c.GetId(), stateText(c.GetState()), c.GetRemoteAddress(), age, idle,
		humanBytes(c.GetBytesReceived()), humanBytes(c.GetBytesSent()), humanBytes(c.GetQueuedBytes()),
		labelText(c.GetLabels()))
	if r.withClose {
		cells = append(cells, reasonText(c.GetCloseReason()))
	}
	if a.wide() {
		cells = append(cells, c.GetListener(), c.GetLocalAddress(), a.timeText(c.GetConnectedAt()),
			a.timeText(c.GetLastActiveAt()), a.timeText(c.GetClosedAt()), c.GetCloseText(), c.GetClosedBy(),
			strconv.FormatBool(c.GetReadPaused()), c.GetPeerIdentity(), c.GetTlsVersion(), c.GetTlsCipher(), c.GetTlsProtocol(),
			c.GetTlsServerName(), c.GetProxyAddress())
	}
	return cells
}

func stateText(s sockgatev1.ConnectionState) string { return enumText(s.String(), "CONNECTION_STATE_") }

func reasonText(r sockgatev1.CloseReason) string { return enumText(r.String(), "CLOSE_REASON_") }

func outcomeText(o sockgatev1.Outcome) string { return enumText(o.String(), "OUTCOME_") }

func typeText(t sockgatev1.EventType) string { return enumText(t.String(), "EVENT_TYPE_") }

// clockText shows the time of day, in the zone of the clock.
func (a *app) clockText(t time.Time) string {
	return t.In(a.env.Now().Location()).Format("15:04:05.000")
}
