package daemon

import "fmt"

// The default of the queue budget is a share of the memory limit. Queues are not all of the memory, and the garbage of
// a full queue is in memory beside it.
const (
	budgetShare   = 4
	minimumBudget = 64 << 20
	unknownBudget = 256 << 20 // without a memory limit
)

// Words for --queue-budget.
const (
	budgetAuto = "auto"
	budgetOff  = "off"
)

// queueBudget is a flag's number of bytes, which comes from the memory limit unless it is given.
type queueBudget struct {
	byteSize
	given bool
}

// String implements pflag.Value.
func (q *queueBudget) String() string {
	if !q.given {
		return budgetAuto
	}
	return q.byteSize.String()
}

// Set implements pflag.Value.
func (q *queueBudget) Set(text string) error {
	switch text {
	case budgetAuto:
		*q = queueBudget{}
		return nil
	case budgetOff:
		text = "0"
	}
	if err := q.byteSize.Set(text); err != nil {
		return fmt.Errorf("%w, or %s or %s", err, budgetAuto, budgetOff)
	}
	q.given = true
	return nil
}

// within returns the budget for a memory limit; 0: no limit.
func (q *queueBudget) within(memory memoryLimit) int {
	switch {
	case q.given:
		return int(q.byteSize)
	case memory.least == 0:
		return unknownBudget
	}
	return int(max(minimumBudget, memory.least/budgetShare))
}
