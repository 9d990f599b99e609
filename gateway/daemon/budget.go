package daemon

import "fmt"

// memoryShare is the default of a budget: a share of the memory limit. The queue budget, the handler budget and 119 MiB
// for callers of the control plane fit together into a memory limit from 210 MiB on. The rest is for connections and
// events, and for the garbage of full queues, which is in memory beside them.
type memoryShare struct {
	divisor int64
	least   int64
	unknown int // without a memory limit
}

var (
	queueShare   = memoryShare{divisor: 4, least: 64 << 20, unknown: 256 << 20}
	handlerShare = memoryShare{divisor: 8, least: 16 << 20, unknown: 128 << 20}
)

// of returns the share of a memory limit.
func (s memoryShare) of(memory memoryLimit) int {
	if memory.least == 0 {
		return s.unknown
	}
	return int(max(s.least, memory.least/s.divisor))
}

// Words for --queue-budget and --handler-budget.
const (
	budgetAuto = "auto"
	budgetOff  = "off"
)

// budget is a flag's number of bytes, which comes from the memory limit unless it is given.
type budget struct {
	byteSize
	given bool
}

// String implements pflag.Value.
func (b *budget) String() string {
	if !b.given {
		return budgetAuto
	}
	return b.byteSize.String()
}

// Set implements pflag.Value.
func (b *budget) Set(text string) error {
	switch text {
	case budgetAuto:
		*b = budget{}
		return nil
	case budgetOff:
		text = "0"
	}
	if err := b.byteSize.Set(text); err != nil {
		return fmt.Errorf("%w, or %s or %s", err, budgetAuto, budgetOff)
	}
	b.given = true
	return nil
}

// within returns the budget, or its share of a memory limit; 0: no limit.
func (b *budget) within(memory memoryLimit, share memoryShare) int {
	if b.given {
		return int(b.byteSize)
	}
	return share.of(memory)
}
