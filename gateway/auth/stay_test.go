package auth

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

// calling returns a call of an identity, as the tap makes it.
func calling(t *testing.T, pool *share.Pool, of string, revoked *int) *Call {
	t.Helper()
	c := &Call{of: &Caller{Identity: of, Proof: proofToken}}
	hold, err := pool.Take(partyOf(c.of), callBytes+windowBytes, func() { *revoked++ })
	if err != nil {
		t.Fatal(err)
	}
	c.hold = hold
	return c
}

// TestStay checks that a call that stays keeps its memory while its client is silent, though others of its identity
// need room, and that a large message counts until the next one has come.
func TestStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 2 << 20
		pool, revoked := share.New(total, 0), 0
		c := calling(t, pool, "be", &revoked)
		if err := c.Stay(t.Context(), 256<<10); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int64{10, 512 << 10, 600 << 10, 64 << 10, 1} {
			if err := c.Hear(func() (int64, error) { return n, nil }); err != nil {
				t.Fatal(err)
			}
			if got, want := pool.Usage(0).Held, int64(256<<10)+max(0, n-64<<10); got != want {
				t.Errorf("with a message of %d, %d bytes are held; expected %d", n, got, want)
			}
		}
		time.Sleep(time.Hour)
		other := calling(t, pool, "be", new(int))
		if err := other.Stay(t.Context(), total); err == nil {
			t.Error("an identity got more than the budget")
		}
		greedy := partyOf(&Caller{Identity: "greedy", Proof: proofToken})
		for err := error(nil); err == nil; {
			_, err = pool.Take(greedy, callBytes, func() {})
		}
		if revoked > 0 {
			t.Error("a silent call within its identity's share gave way")
		}
		end := errors.New("the end")
		if err := c.Hear(func() (int64, error) { return 1 << 20, end }); err != end || pool.Usage(0).Held > total {
			t.Error(err, pool.Usage(9))
		}
		var none *Call
		if err := errors.Join(none.Stay(t.Context(), 1), none.Hear(func() (int64, error) { return 1, nil })); err != nil {
			t.Error(err)
		}
	})
}
