package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// An answer is kept for two minutes and forgotten then, which makes room for others.
func TestRequestsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l requestLog
		content := sha256.Sum256([]byte("x"))
		for i := range requestsKept {
			if a, first, err := l.claim(fmt.Sprint(i), content); err != nil || !first {
				t.Fatalf("claim %d: first %v, %v", i, first, err)
			} else {
				a.result = BroadcastResult{Matched: uint64(i)}
				a.finish()
			}
		}
		time.Sleep(requestKept) // the bubble's clock
		if _, _, err := l.claim("new", content); !errors.Is(err, ErrTooManyRequests) {
			t.Errorf("after two minutes: %v; expected that they are kept", err)
		}
		if a, first, err := l.claim("7", content); err != nil || first || a.result.Matched != 7 {
			t.Errorf("after two minutes: first %v, %v; expected the kept answer", first, err)
		}
		time.Sleep(time.Nanosecond)
		if _, first, err := l.claim("7", sha256.Sum256(nil)); err != nil || !first {
			t.Errorf("after more than that: first %v, %v; expected a new request", first, err)
		}
		if len(l.answers) != 1 || len(l.order) != 1 {
			t.Errorf("%d answers are kept; expected the new one", len(l.answers))
		}
	})
}
