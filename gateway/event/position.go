package event

// Position is how far a subscription has come. What two subscriptions with the same Options get from the same position on is
// the same.
type Position struct {
	kept uint64 // sequence of the last kept event that was delivered or passed over
	data uint64 // number of the last such Data event
}

// Cursor returns what resumes behind the position, in the log of an origin.
func (p Position) Cursor(o Origin) Cursor { return Cursor{Origin: o, Sequence: p.kept} }

// Covers reports whether everything up to q was also delivered or passed over at p.
func (p Position) Covers(q Position) bool { return p.kept >= q.kept && p.data >= q.data }

// Behind returns the position behind e, which a subscription delivered from p on, or behind events that it delivered before e.
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
