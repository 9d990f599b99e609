package event

// Position is how far a subscription has read its log, Data included. Subscriptions with equal Options deliver the same
// events from equal positions on. A Position is a value that is comparable with ==, so any goroutine may use a copy.
// The zero value is before the first event.
type Position struct {
	kept uint64 // sequence of the last kept event that was delivered or passed over
	data uint64 // number of the last such Data event
}

// Cursor returns the cursor that resumes at the position in the log of o. A cursor counts kept events only, so the
// number of delivered Data events is lost.
func (p Position) Cursor(o Origin) Cursor { return Cursor{Origin: o, Sequence: p.kept} }

// Covers reports whether p is at or past q, for kept events and for Data.
func (p Position) Covers(q Position) bool { return p.kept >= q.kept && p.data >= q.data }

// Behind returns the position after e. The subscription that delivered e was at p before it, or before the events that
// it delivered ahead of e.
func (p Position) Behind(e *Event) Position {
	switch d := e.Detail.(type) {
	case *DataDetail:
		p.data = e.number
	case *GapDetail:
		p.kept = max(p.kept, d.To)
		p.data += d.DataEvents
	default:
		p.kept = e.Sequence
	}
	return p
}
