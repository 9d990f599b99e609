package label_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/label"
)

// TestChanged holds that a change is whole or none, and leaves the labels that were published alone.
func TestChanged(t *testing.T) {
	full := make(map[string]string)
	for i := range label.Max {
		full[fmt.Sprint("k", i)] = "v"
	}
	one := map[string]string{"a": "1"}
	for name, c := range map[string]struct {
		labels, set, want map[string]string
		remove            []string
		ok                bool
	}{
		"first":           {set: one, want: one, ok: true},
		"nothing":         {ok: true},
		"last is removed": {labels: one, remove: []string{"a", "b"}, ok: true},
		"removed and set": {labels: one, set: map[string]string{"a": "2"}, remove: []string{"a"},
			want: map[string]string{"a": "2"}, ok: true},
		"replaced in a full set": {labels: full, set: map[string]string{"k0": "v"}, want: full, ok: true},
		"one too many":           {labels: full, set: one},
	} {
		before := maps.Clone(c.labels)
		got, ok := label.Changed(c.labels, c.set, c.remove)
		if ok != c.ok || !maps.Equal(got, c.want) || (len(got) == 0) != (got == nil) || !maps.Equal(c.labels, before) {
			t.Errorf("%s: %v, %v; expected %v, %v; the labels before are %v", name, got, ok, c.want, c.ok, c.labels)
		}
	}
}
