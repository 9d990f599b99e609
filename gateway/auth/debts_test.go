package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/share"
)

// TestDebtsOfAClosedConnection checks that a closed connection can release an answer. A request gets the room, and
// makes another hold of the same connection give way.
func TestDebtsOfAClosedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d debts
		d.release() // as Close does
		pool := share.New(100, 0)
		take := func(n int64, revoke func()) *share.Hold {
			h, err := pool.Take(share.Party{Key: "a"}, n, revoke)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		stalled, answer, next := take(35, d.release), take(10, nil), take(1, nil)
		defer stalled.Release()
		stalled.Wait(true)
		time.Sleep(share.Patience - share.Patience/8)
		granted := make(chan error)
		go func() { granted <- next.Await(t.Context(), 40) }()
		synctest.Wait()
		time.Sleep(share.Patience / 6)
		d.owe(answer)
		if err := <-granted; err != nil {
			t.Error(err)
		}
		next.Release()
	})
}
