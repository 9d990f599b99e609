package lane

import "time"

// Hasten makes instances frozen and connections stalled after shorter times.
func (t *Table) Hasten(frozen, stalled time.Duration) {
	t.frozenAfter, t.stalledAfter = frozen, stalled
}
