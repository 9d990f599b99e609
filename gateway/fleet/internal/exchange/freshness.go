package exchange

import (
	"math"
	"time"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Bounds of the age of the heartbeat that a request refers to, and of its asker's wait. Larger values count as these: a
// node is not asked after 10 s of silence, and the longest call waits a minute for nodes and another minute besides.
const (
	maxAge  = time.Minute
	maxWait = 5 * time.Minute
)

// freshness says until when a request may be carried out, by this node's own monotonic clock.
//
// A request that was held up on the way, or that waited in a socket while the process was stopped, must not be carried
// out late: the asker was told that its outcome is unknown, and may have asked another node since. No two clocks need
// to agree for that. The node says in each heartbeat what its clock showed when it sent it (stamp). The asker measures
// with its own clock how long ago that heartbeat had come when it asked (age), and says how long it waits (wait). So it
// stops waiting when this node's clock shows
//
//	stamp + (how long the heartbeat took to get there) + age + wait
//
// No node knows the time in brackets, and it is left out: the request expires here earlier than the asker stops
// waiting, by as much as the heartbeat was under way, and never later. Only the drift between two monotonic clocks
// while they measure age and wait, some parts in a million, is neglected. The clock goes on while a process is stopped.
// It stands still while a whole machine is suspended, and a request that reached the machine before is then as old as
// it was.
type freshness struct {
	began time.Time     // what the node's clock counts from
	due   time.Duration // what it shows when the request gets stale
}

// newFreshness returns until when a request may be carried out; not ok when it refers to a heartbeat that this life has
// not sent yet.
func newFreshness(began time.Time, t *fleetv1.Target) (f freshness, ok bool) {
	if t.GetStamp() > math.MaxInt64 || time.Duration(t.GetStamp()) > time.Since(began) {
		return freshness{}, false
	}
	age, wait := min(t.GetAge(), uint64(maxAge)), min(t.GetWait(), uint64(maxWait))
	return freshness{began: began, due: time.Duration(t.GetStamp()) + time.Duration(age) + time.Duration(wait)}, true
}

// stale reports whether the asker has stopped waiting.
func (f freshness) stale() bool { return time.Since(f.began) > f.due }

// deadline is when the request gets stale.
func (f freshness) deadline() time.Time { return f.began.Add(f.due) }
