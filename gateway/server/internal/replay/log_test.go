package replay

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequestsAreForgotten holds that an answer is kept for two minutes, and then makes room for another.
func TestRequestsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Log[uint64]
		content := sha256.Sum256([]byte("x"))
		for i := range Max {
			if a, first, err := l.Claim(fmt.Sprint(i), content); err != nil || !first {
				t.Fatalf("claim %d: first %v, %v", i, first, err)
			} else {
				a.Result = uint64(i)
				a.Finish()
			}
		}
		time.Sleep(Period) // the bubble's clock
		if _, _, err := l.Claim("new", content); !errors.Is(err, ErrTooMany) {
			t.Errorf("after two minutes: %v; expected that they are kept", err)
		}
		if a, first, err := l.Claim("7", content); err != nil || first || a.Result != 7 {
			t.Errorf("after two minutes: first %v, %v; expected the kept answer", first, err)
		}
		time.Sleep(time.Nanosecond)
		if _, first, err := l.Claim("7", sha256.Sum256(nil)); err != nil || !first {
			t.Errorf("after more than that: first %v, %v; expected a new request", first, err)
		}
		if len(l.answers) != 1 || len(l.order) != 1 {
			t.Errorf("%d answers are kept; expected the new one", len(l.answers))
		}
	})
}
