package daemon

import "testing"

// TestBudgetsFit holds that the default budgets and what callers of the control plane hold stay under the memory limit,
// as the documents say, and that there are budgets where no limit is known.
func TestBudgetsFit(t *testing.T) {
	const callers = defaultControlMemory + 16<<20 + 992*40<<10
	for limit := int64(210 << 20); limit < 1<<40; limit += limit / 16 {
		m := memoryLimit{least: limit}
		if sum := int64(callers + queueShare.of(m) + handlerShare.of(m)); sum > limit {
			t.Errorf("the budgets have %d bytes of %d", sum, limit)
		}
	}
	if queue, handler := queueShare.of(memoryLimit{}), handlerShare.of(memoryLimit{}); queue != 256<<20 ||
		handler != 128<<20 {
		t.Errorf("%d and %d bytes without a limit; expected 256 MiB and 128 MiB", queue, handler)
	}
}
