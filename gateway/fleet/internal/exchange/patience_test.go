package exchange_test

import (
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
)

// TestPatience checks that a node that sends at a fair rate is waited for, that one that is silent or sends next to
// nothing is not, and that no part is waited for without an end.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		bytes int
		every time.Duration
		least time.Duration
		most  time.Duration
	}{
		{0, 4 * time.Second, 5 * time.Second, 5 * time.Second},
		{100, 4 * time.Second, 5 * time.Second, 6 * time.Second},
		{40 << 10, time.Second, 10 * time.Second, 20 * time.Second},
		{40 << 10, 500 * time.Millisecond, time.Minute, 65 * time.Second},
		{1 << 20, 4 * time.Second, time.Minute, 65 * time.Second},
	} {
		p, waited := exchange.NewPatience(5*time.Second), time.Duration(0)
		for p.Left() >= c.every {
			p.Spend(c.every, c.bytes)
			waited += c.every
		}
		waited += p.Left()
		if waited < c.least || waited > c.most {
			t.Errorf("%d bytes every %s are waited for %s; expected %s to %s", c.bytes, c.every, waited, c.least, c.most)
		}
	}
}
