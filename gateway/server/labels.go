package server

import (
	"errors"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/label"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// The bounds of labels.
const (
	MaxLabels     = label.Max      // 16, of a connection
	MaxLabelKey   = label.MaxKey   // 63, bytes of [a-z0-9._-]
	MaxLabelValue = label.MaxValue // 256, bytes of UTF-8
)

// ErrTooManyLabels says that the connection would have more than MaxLabels labels. No label was changed.
var ErrTooManyLabels = errors.New("a connection has at most 16 labels; remove some first")

// ValidLabelKey reports whether k can be a label's key: [a-z0-9._-]{1,63}.
func ValidLabelKey(k string) bool { return label.ValidKey(k) }

// Label returns the value of a label, or "" when it is not set. It does not block.
func (c *Conn) Label(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil {
		return ""
	}
	return c.extra.labels[key]
}

// SetLabel sets one label, at once. It does not block. The error is ErrTooManyLabels, ErrClosed, or says which bound
// the key or value is out of.
func (c *Conn) SetLabel(key, value string) error {
	if err := label.Check(key, value); err != nil {
		return err
	}
	switch c.label(map[string]string{key: value}, nil) {
	case OutcomeTooManyLabels:
		return ErrTooManyLabels
	case OutcomeClosed:
		return ErrClosed
	}
	return nil
}

// label replaces the connection's labels by ones with set added and remove gone.
func (c *Conn) label(set map[string]string, remove []string) Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil || c.has(flagDone|flagClosed) {
		return OutcomeClosed
	}
	x := c.more()
	labels, ok := label.Changed(x.labels, set, remove)
	if !ok {
		return OutcomeTooManyLabels
	}
	x.labels = labels
	return OutcomeLabeled
}

// LabelRequest changes the labels of connections: each one's at once, or not at all.
type LabelRequest struct {
	Targets Targets           // the zero value: none
	Set     map[string]string // at most MaxLabels; keys as ValidLabelKey has them, values of at most MaxLabelValue bytes
	Remove  []string          // keys, removed before Set is applied
	Actor   event.Actor       // for records; the zero value makes none
}

// LabelResult tells what became of the targets. Outcomes has one entry for each ID, in order; without IDs, it has the
// first 100 that were not labelled.
type LabelResult struct {
	Outcomes []TargetOutcome
	Matched  uint64 // how many targets there were: the sum of the next four
	Labeled  uint64
	Closed   uint64 // closing or closed
	NotFound uint64 // IDs that name no connection of this server
	Refused  uint64 // would have had more than MaxLabels
}

// SetLabels changes labels, and does not wait for the peers. The error says which bound a key or value of Set is out
// of, and then nothing has changed; a target that is not there, or would have too many labels, is an outcome.
func (s *Server) SetLabels(r LabelRequest) (LabelResult, error) {
	for key, value := range r.Set {
		if err := label.Check(key, value); err != nil {
			return LabelResult{}, err
		}
	}
	t := tally.NewTargeted(len(r.Targets.ids))
	s.each(r.Targets, func(c *Conn, place int) {
		o := c.label(r.Set, r.Remove)
		t.Note(place, TargetOutcome{ID: c.ID(), Outcome: o}, o == OutcomeLabeled)
	}, func(o TargetOutcome, place int) { t.Note(place, o, false) })
	s.record(&event.ControlDetail{Verb: "SetLabels", Actor: r.Actor, Filter: r.Targets.source(), IDs: r.Targets.ids,
		Set: r.Set, Removed: r.Remove}, &t.Tally)
	return LabelResult{Outcomes: t.Outcomes(r.Targets.byID()), Matched: t.Total(), Labeled: t.Counts[OutcomeLabeled],
		Closed: t.Counts[OutcomeClosed], Refused: t.Counts[OutcomeTooManyLabels], NotFound: t.Missing()}, nil
}
