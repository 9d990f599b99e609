package contract

import "time"

// Batch is the size of the next response of an event stream, of one node or of a fleet. The zero value is an empty
// response.
type Batch struct {
	Events int // number of events
	Bytes  int // of the encoded events
}

// Fits reports whether the response has room for more events. An empty response has room for anything.
func (b Batch) Fits(more Batch) bool {
	return b.Events == 0 || b.Events+more.Events <= BatchSize && b.Bytes+more.Bytes <= MaxResponse
}

// Full reports whether the response is sent without waiting for more events.
func (b Batch) Full() bool { return b.Events >= BatchSize || b.Bytes >= MaxResponse }

// Due returns when a response that is not full is sent if the last one was sent at sentAt: events after BatchPeriod,
// and a heartbeat, which has no events, after Heartbeat.
func (b Batch) Due(sentAt time.Time) time.Time {
	if b.Events > 0 {
		return sentAt.Add(BatchPeriod)
	}
	return sentAt.Add(Heartbeat)
}
