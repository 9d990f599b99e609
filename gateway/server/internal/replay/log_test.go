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
			if a, first, err := l.Claim(Owner{}, fmt.Sprint(i), content); err != nil || !first {
				t.Fatalf("claim %d: first %v, %v", i, first, err)
			} else {
				a.Result = uint64(i)
				a.Finish(0)
			}
		}
		time.Sleep(Period) // the bubble's clock
		if _, _, err := l.Claim(Owner{}, "new", content); !errors.Is(err, ErrTooMany) {
			t.Errorf("after two minutes: %v; expected that they are kept", err)
		}
		if a, first, err := l.Claim(Owner{}, "7", content); err != nil || first || a.Result != 7 {
			t.Errorf("after two minutes: first %v, %v; expected the kept answer", first, err)
		}
		time.Sleep(time.Nanosecond)
		if _, first, err := l.Claim(Owner{}, "7", sha256.Sum256(nil)); err != nil || !first {
			t.Errorf("after more than that: first %v, %v; expected a new request", first, err)
		}
		if len(l.answers) != 1 || len(l.order) != 1 {
			t.Errorf("%d answers are kept; expected the new one", len(l.answers))
		}
	})
}

// TestOneOwnerKeepsNoOtherOut checks that an owner has its share and no more, that answers with many failures count as
// more, and that the last part is kept for those with Reserve.
func TestOneOwnerKeepsNoOtherOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Log[uint64]
		fill := func(owner Owner, failures int) (n int) {
			for {
				a, _, err := l.Claim(owner, fmt.Sprint(owner.Name, n), [32]byte{})
				if err != nil {
					return n
				}
				a.Finish(failures)
				n++
			}
		}
		if n := fill(Owner{Name: "many failures"}, 8*3); n != Share/4 {
			t.Errorf("%d answers with 24 failures; expected a quarter of %d", n, Share)
		}
		for i := range 6 {
			if n := fill(Owner{Name: fmt.Sprint("owner", i)}, 0); n != Share {
				t.Errorf("owner %d has %d; expected %d", i, n, Share)
			}
		}
		if n := fill(Owner{Name: "late"}, 0); n != 0 {
			t.Errorf("%d of the reserve went to an owner without", n)
		}
		if n := fill(Owner{Name: "admin", Reserve: true}, 0); n != Reserve {
			t.Errorf("an administrator got %d; expected the reserve of %d", n, Reserve)
		}
		time.Sleep(Period + 1)
		if n := fill(Owner{Name: "late"}, 0); n != Share || l.kept != Share || len(l.owned) != 1 {
			t.Errorf("after the period: %d, %d kept for %d owners", n, l.kept, len(l.owned))
		}
	})
}
