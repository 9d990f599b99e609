package fair_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/server/internal/fair"
)

// TestCrowdModel holds that groups come in the order of their sizes, and members in the order of their ages.
func TestCrowdModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c fair.Crowd[int, int]
		var all []*fair.Member[int, int] // in the order of their ages
		group := map[*fair.Member[int, int]]int{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				key := rapid.IntRange(0, 5).Draw(t, "key")
				m := c.Add(key, len(group))
				all, group[m] = append(all, m), key
			},
			"remove": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip("empty")
				}
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				c.Remove(all[i])
				all = slices.Delete(all, i, i+1)
			},
			"": func(t *rapid.T) {
				last, groups, n := len(all), 0, 0
				for key := range c.Largest() {
					var want []*fair.Member[int, int]
					for _, m := range all {
						if group[m] == key {
							want = append(want, m)
						}
					}
					if got := slices.Collect(c.Group(key)); !slices.Equal(got, want) || len(got) == 0 || len(got) > last ||
						c.Count(key) != len(got) {
						t.Fatalf("group %d has %d members, behind one of %d; expected %d", key, len(got), last, len(want))
					}
					last, groups, n = len(want), groups+1, n+len(want)
				}
				if n != len(all) || c.Len() != n || c.Groups() != groups {
					t.Fatalf("%d members in %d groups; expected %d in %d", c.Len(), c.Groups(), len(all), groups)
				}
			},
		})
	})
}
