package app

import "testing"

func TestPositionReached(t *testing.T) {
	end := &Position{node: "n", incarnation: "19ab", Sequence: 7}
	for cursor, want := range map[string]bool{
		"": false, "n.19ab@6": false, "n.19ab@7": true, "n.19ab@8": true, "n.19aa@99": false, "n.19ac@0": true,
		"m.19ab@9": false,
	} {
		if got := end.ReachedBy(cursor); got != want {
			t.Errorf("%q: %t, want %t", cursor, got, want)
		}
	}
}

// A cursor of a fleet has a position for each node.
func TestPositionsOfAFleet(t *testing.T) {
	all, err := parsePositions("a.1@2,b.19ab@7")
	if err != nil || len(all) != 2 || *all[0] != (Position{"a", "1", 2}) || *all[1] != (Position{"b", "19ab", 7}) {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := parsePositions("a.1@2,b"); err == nil {
		t.Error("half a cursor was taken for one")
	}
	for cursor, want := range map[string]bool{"a.1@9": false, "a.1@9,b.19ab@6": false, "a.1@0,b.19ab@7,c.1@0": true,
		"b.19ac@0,a.1@0": true, "": false} {
		if got := all[1].ReachedBy(cursor); got != want {
			t.Errorf("%q: %t, want %t", cursor, got, want)
		}
	}
}
