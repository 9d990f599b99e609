package ban

import (
	"slices"
	"testing"
	"time"
)

// FuzzBanFile holds that no text panics, that a file is taken whole or refused, and that a saved file loads the same
// bans.
func FuzzBanFile(f *testing.F) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := Decode(text, now)
		if err != nil {
			if rows != nil || err.Error() == "" {
				t.Fatalf("%d bans of a damaged file: %v", len(rows), err)
			}
			return
		}
		saved := Encode(rows)
		again, err := Decode(saved, now)
		if err != nil {
			t.Fatalf("what was saved cannot be loaded: %v\n%s", err, saved)
		}
		if !slices.EqualFunc(rows, again, func(a, b *Ban) bool {
			return a.Target == b.Target && a.Text() == b.Text() && a.CreatedAt.Equal(b.CreatedAt) &&
				a.ExpiresAt.Equal(b.ExpiresAt)
		}) {
			t.Fatalf("saved:\n%s", saved)
		}
		var all table
		all.put(rows)
		for i, b := range rows {
			if i > 0 && rows[i-1].Target.Compare(b.Target) >= 0 {
				t.Fatalf("%s is not before %s", rows[i-1].Target, b.Target)
			}
			if all.find(b.Target.network.Addr(), b.Target.identity, now) == nil {
				t.Fatalf("%s is banned, and not found", b.Target)
			}
		}
	})
}
