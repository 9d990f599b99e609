package event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

func TestParseCursor(t *testing.T) {
	node32 := strings.Repeat("n", 32)
	for _, c := range []struct {
		text string
		want event.Cursor // the zero value means an error
	}{
		{"edge-1.19ab0d3f1c2@42", event.Cursor{Origin: origin, Sequence: 42}},
		{"edge-1.19ab0d3f1c2@0", event.Cursor{Origin: origin}},
		{"a.0@18446744073709551615", event.Cursor{Origin: event.Origin{Node: "a", Incarnation: "0"}, Sequence: 1<<64 - 1}},
		{node32 + ".0123456789abcdef@1",
			event.Cursor{Origin: event.Origin{Node: node32, Incarnation: "0123456789abcdef"}, Sequence: 1}},
		{text: ""},
		{text: "0"},
		{text: "@"},
		{text: ".@"},
		{text: "edge-1.19ab0d3f1c2"},
		{text: "edge-1.19ab0d3f1c2@"},
		{text: "edge-1.19ab0d3f1c2@-1"},
		{text: "edge-1.19ab0d3f1c2@+1"},
		{text: "edge-1.19ab0d3f1c2@01"},
		{text: "edge-1.19ab0d3f1c2@1 "},
		{text: "edge-1.19ab0d3f1c2@0x1"},
		{text: "edge-1.19ab0d3f1c2@1_0"},
		{text: "edge-1.19ab0d3f1c2@1@2"},
		{text: "edge-1.19ab0d3f1c2@18446744073709551616"},
		{text: "edge-1.6A1B2C3D@1"},
		{text: "edge-1.6a1b2c3g@1"},
		{text: "edge-1.6a1b.2c3d@1"},
		{text: "edge-1.0123456789abcdef0@1"},
		{text: "Edge.19ab0d3f1c2@1"},
		{text: "edge_1.19ab0d3f1c2@1"},
		{text: "édge.19ab0d3f1c2@1"},
		{text: ".19ab0d3f1c2@1"},
		{text: "edge-1.@1"},
		{text: "edge-1@1"},
		{text: node32 + "n.19ab0d3f1c2@1"},
		{text: "edge-1.19ab0d3f1c2@1\x00"},
	} {
		got, err := event.ParseCursor(c.text)
		if got != c.want || (err == nil) != (c.want != event.Cursor{}) {
			t.Errorf("ParseCursor(%q) = %v, %v; expected %v", c.text, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "node.incarnation@sequence") {
			t.Errorf("ParseCursor(%q): %v; expected an error that says what a cursor looks like", c.text, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"edge-1.19ab0d3f1c2@42", "", "0", ".@", "a.0@18446744073709551615", "a.b@01",
		strings.Repeat("@", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := event.ParseCursor(text)
		if err == nil && c.String() != text {
			t.Errorf("ParseCursor(%q) = %v, which is written %q", text, c, c.String())
		}
		if err != nil && (c != event.Cursor{} || len(err.Error()) > 600) {
			t.Errorf("ParseCursor(%.100q) = %v, %d bytes of error", text, c, len(err.Error()))
		}
	})
}

// TestSubscribeRefusesCursor holds that Subscribe refuses a cursor that cannot be of its log, and quotes it.
func TestSubscribeRefusesCursor(t *testing.T) {
	l := newLog(256)
	fill(l, 3, event.Ended)
	for _, c := range []struct{ after, say string }{
		{"nonsense", "not a cursor"},
		{"00", "not a cursor"},
		{"edge-2.19ab0d3f1c2@1", `node "edge-2"; this is node "edge-1"`},
		{"edge-1.19ab0d3f1c2@4", "ahead of the newest event, 3"},
		{"edge-1.19ab0d3f1c2@18446744073709551615", "ahead of the newest event, 3"},
	} {
		s, err := l.Subscribe(event.Options{After: c.after})
		var bad *event.CursorError
		if s != nil || !errors.As(err, &bad) ||
			!strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), c.after) {
			t.Errorf("Subscribe after %q: %v; expected a CursorError that says %q", c.after, err, c.say)
		}
	}
	if n := l.Streams(); n != 0 {
		t.Errorf("%d streams are open after refused subscriptions", n)
	}
}

// TestCompareIncarnations holds that incarnations compare as numbers, however many digits they have.
func TestCompareIncarnations(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"9", "10", -1}, {"10", "9", 1}, {"0a", "a", 0}, {"19ab0d3f1c2", "19ab0d3f1c3", -1}, {"ffffffffffffffff", "0", 1}} {
		if got := event.CompareIncarnations(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %d; expected %d", c.a, c.b, got, c.want)
		}
	}
}
