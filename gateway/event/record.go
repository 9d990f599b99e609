package event

import "time"

// record is the form in which the log keeps an event. It is small because the log is large: an extra has the rare
// fields, and the place of the record gives the sequence.
type record struct {
	identity    *Identity
	detail      Detail // an *extra or *owned when the connection has fields that a record lacks
	labels      map[string]string
	time        int64 // this and the other times are unix nanoseconds; 0 for the zero time
	activeAt    int64
	closedAt    int64
	received    uint64
	sent        uint64
	queued      uint64
	connections uint32
	kind        Type
	state       State
	reason      CloseReason
	paused      bool
}

// extra is a record's detail together with the fields that most events leave empty.
type extra struct {
	Detail
	closeText string
	closedBy  string
	unsent    uint64
	discarded uint64
}

// owned is an extra for the connections of a remote handler. It is a type of its own so that an extra keeps its 64
// bytes.
type owned struct {
	extra
	instance       string
	unacknowledged uint64
}

// packDetail returns the detail of a record: the event's own, or a new one around it for the few events that need it.
func packDetail(e *Event) Detail {
	c := &e.Conn
	switch {
	case c.Instance != "" || c.Unacknowledged != 0:
		return &owned{extra: packExtra(e), instance: c.Instance, unacknowledged: c.Unacknowledged}
	case c.CloseText != "" || c.ClosedBy != "" || c.UnsentBytes != 0 || c.DiscardedBytes != 0:
		x := packExtra(e)
		return &x
	}
	return e.Detail
}

func packExtra(e *Event) extra {
	c := &e.Conn
	return extra{Detail: e.Detail, closeText: c.CloseText, closedBy: c.ClosedBy,
		unsent: c.UnsentBytes, discarded: c.DiscardedBytes}
}

// pack stores an event in r. The detail comes from packDetail.
func (r *record) pack(e *Event, detail Detail, at int64, connections uint64) {
	c := &e.Conn
	r.identity = c.Identity
	r.detail = detail
	r.labels = c.Labels
	r.time = at
	r.activeAt = nanoseconds(c.LastActiveAt)
	r.closedAt = nanoseconds(c.ClosedAt)
	r.received, r.sent, r.queued = c.BytesReceived, c.BytesSent, c.QueuedBytes
	r.connections = uint32(connections)
	r.kind, r.state, r.reason, r.paused = e.Type, c.State, c.CloseReason, c.ReadPaused
}

// unpack sets every field of e from r.
func (r *record) unpack(e *Event, sequence uint64) {
	*e = Event{
		Sequence: sequence,
		Time:     moment(r.time),
		Type:     r.kind,
		Conn: Connection{
			Identity:      r.identity,
			LastActiveAt:  moment(r.activeAt),
			BytesReceived: r.received,
			BytesSent:     r.sent,
			QueuedBytes:   r.queued,
			Labels:        r.labels,
			ClosedAt:      moment(r.closedAt),
			State:         r.state,
			CloseReason:   r.reason,
			ReadPaused:    r.paused,
		},
		Connections: uint64(r.connections),
		Detail:      r.detail,
	}
	switch x := r.detail.(type) {
	case *extra:
		x.unpack(e)
	case *owned:
		x.unpack(e)
		e.Conn.Instance, e.Conn.Unacknowledged = x.instance, x.unacknowledged
	}
}

func (x *extra) unpack(e *Event) {
	e.Detail = x.Detail
	e.Conn.CloseText, e.Conn.ClosedBy = x.closeText, x.closedBy
	e.Conn.UnsentBytes, e.Conn.DiscardedBytes = x.unsent, x.discarded
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
