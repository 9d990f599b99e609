package event_test

import (
	"fmt"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// sketch writes a kept event as its sequence, and a gap as its reason and range: `12`, `RESTARTED 0-0`.
func sketch(events []event.Event) []string {
	var s []string
	for _, e := range events {
		if g, ok := e.Detail.(*event.GapDetail); ok {
			s = append(s, fmt.Sprintf("%s %d-%d", g.Reason, g.From, g.To))
			continue
		}
		s = append(s, fmt.Sprint(e.Sequence))
	}
	return s
}

func TestGaps(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after int // events appended before and after the subscription began
		from          string
		events        int // kept events that the subscription gets
		first         string
		missed        uint64
	}{
		{"from now on", 10, 5, "", 5, "11", 0},
		{"from now on, empty log", 0, 5, "", 5, "1", 0},
		{"behind a cursor", 10, 5, "edge-1.19ab0d3f1c2@7", 8, "8", 0},
		{"behind the newest", 10, 5, "edge-1.19ab0d3f1c2@10", 5, "11", 0},
		{"from the oldest kept", 10, 0, "0", 10, "1", 0},
		{"from the oldest kept of many", 300, 0, "0", 256, "45", 0},
		{"oldest kept is the next one", 300, 0, "edge-1.19ab0d3f1c2@44", 256, "45", 0},
		{"evicted", 300, 0, "edge-1.19ab0d3f1c2@43", 256, "EVICTED 44-44", 1},
		{"evicted from the beginning", 300, 0, "edge-1.19ab0d3f1c2@0", 256, "EVICTED 1-44", 44},
		{"restarted", 10, 0, "edge-1.6a1b2c3c@99", 10, "RESTARTED 0-0", 0},
		{"restarted and evicted", 300, 0, "edge-1.6a1b2c3c@99", 256, "RESTARTED 0-0 EVICTED 1-44", 44},
		{"overrun", 10, 300, "", 256, "OVERRUN 11-54", 44},
		{"just not overrun", 10, 256, "", 256, "11", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(256)
			fill(l, c.before, event.Ended)
			s := subscribe(t, l, event.Options{After: c.from})
			fill(l, c.after, event.Ended)
			all := drain(s)
			got, gaps := "", 0
			for i, e := range all {
				if e.Type == event.Gap {
					gaps++
					if e.Time.IsZero() {
						t.Error("a gap without a time")
					}
				} else if i > 0 && all[i-1].Type != event.Gap && e.Sequence != all[i-1].Sequence+1 {
					t.Errorf("%d follows %d", e.Sequence, all[i-1].Sequence)
				}
			}
			for i, text := range sketch(all[:max(gaps, 1)]) {
				if i > 0 {
					got += " "
				}
				got += text
			}
			if got != c.first || len(all)-gaps != c.events || l.Missed() != c.missed {
				t.Errorf("begins with %q, %d events, %d missed; expected %q, %d, %d",
					got, len(all)-gaps, l.Missed(), c.first, c.events, c.missed)
			}
			if s.Cursor() != l.Head() {
				t.Errorf("cursor %s behind everything; the newest event is %s", s.Cursor(), l.Head())
			}
		})
	}
}

// TestGapIsNeverFiltered holds that a gap reaches a subscriber whose filter selects nothing.
func TestGapIsNeverFiltered(t *testing.T) {
	l := newLog(256)
	s := subscribe(t, l, event.Options{Types: event.Types(0).With(event.Closed),
		Match: func(*event.Event) bool { return false }})
	fill(l, 1000, event.Ended)
	if got := fmt.Sprint(sketch(drain(s))); got != "[OVERRUN 1-744]" {
		t.Errorf("got %s; expected [OVERRUN 1-744]", got)
	}
}
