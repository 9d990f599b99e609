package exchange

import (
	"math"
	"time"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Bounds of the age of the heartbeat that a request refers to, and of its asker's wait. Larger values count as these. A
// node is not asked after 10 s of silence. The longest call waits a minute for nodes and another minute besides.
const (
	maxAge  = time.Minute
	maxWait = 5 * time.Minute
)

// freshness says until when a request may be carried out, by this node's own monotonic clock.
//
// A request that was held up on the way, or that waited in a socket while the process was stopped, must not be carried
// out late: its asker was told that the outcome is unknown, and may have asked another node since. For this no two
// clocks need to agree. The node puts its clock's time into each heartbeat that it sends (stamp). The asker measures
// with its own clock how old its newest heartbeat was when it asked (age), and how long it waits (wait). So it stops
// waiting when this node's clock shows
//
//	stamp + (how long the heartbeat took to get there) + age + wait
//
// No node knows the time in brackets, so it is left out: the request expires here before the asker stops waiting, by
// the time that the heartbeat was in flight, and never later. The drift between two monotonic clocks while they measure
// age and wait, some parts in a million, is neglected. The clock goes on while a process is stopped. It stands still
// while a whole machine is suspended; a request that had reached the machine before does not age meanwhile.
type freshness struct {
	began time.Time     // the zero of the node's clock
	due   time.Duration // time on that clock at which the request becomes stale
}

// newFreshness returns until when a request may be carried out. It is not ok if the request refers to a heartbeat that
// this life has not sent yet.
func newFreshness(began time.Time, t *fleetv1.Target) (f freshness, ok bool) {
	if t.GetStamp() > math.MaxInt64 || time.Duration(t.GetStamp()) > time.Since(began) {
		return freshness{}, false
	}
	age, wait := min(t.GetAge(), uint64(maxAge)), min(t.GetWait(), uint64(maxWait))
	return freshness{began: began, due: time.Duration(t.GetStamp()) + time.Duration(age) + time.Duration(wait)}, true
}

// stale reports whether the asker has stopped waiting.
func (f freshness) stale() bool { return time.Since(f.began) > f.due }

// deadline returns the time at which the request becomes stale.
func (f freshness) deadline() time.Time { return f.began.Add(f.due) }
