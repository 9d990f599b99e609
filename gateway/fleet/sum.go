package fleet

import "math"

// plus adds counts of nodes, and stops at the largest number: a node that claims too much must not make the sum
// smaller.
func plus(a, b uint64) uint64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxUint64
}

// plusLanes does the same for numbers of lanes.
func plusLanes(a, b uint32) uint32 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxUint32
}

// plusSize does the same for sizes, which are not negative.
func plusSize(a, b int64) int64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxInt64
}
