package gather

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestGatherer holds that the first note is reported at once and later ones once a second, and that this begins anew
// after a quiet second.
func TestGatherer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []string
		f := &Gatherer[string]{Report: func(message string, count uint64) {
			got = append(got, fmt.Sprintf("%s: %s %d", time.Since(began), message, count))
		}}
		for i := range 25 {
			f.Add(fmt.Sprint("m", i))
			time.Sleep(110 * time.Millisecond) // the bubble's clock
		}
		time.Sleep(10 * time.Second)
		f.Add("again")
		f.Add("and again")
		f.Stop()
		f.Stop()
		want := []string{"0s: m0 1", "1s: m9 9", "2s: m18 9", "3s: m24 6", "12.75s: again 1", "12.75s: and again 1"}
		if !slices.Equal(got, want) {
			t.Errorf("reports %q; expected %q", got, want)
		}
	})
}
