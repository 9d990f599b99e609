package cli

import "testing"

func TestPositionReached(t *testing.T) {
	end := &position{node: "n", incarnation: "19ab", sequence: 7}
	for cursor, want := range map[string]bool{
		"": false, "n.19ab@6": false, "n.19ab@7": true, "n.19ab@8": true, "n.19aa@99": false, "n.19ac@0": true, "m.19ab@9": false,
	} {
		if got := end.reachedBy(cursor); got != want {
			t.Errorf("%q: %t, want %t", cursor, got, want)
		}
	}
}
