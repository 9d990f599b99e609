package filter

import "regexp/syntax"

// maxPattern is the greatest size of a pattern of matches, in steps.
const maxPattern = 1000

// patternSize estimates the number of steps that a pattern compiles to. It does not compile the pattern: `.{1000}` is
// short to write and slow to compile.
func patternSize(pattern string) (uint64, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	return steps(re), nil
}

func steps(re *syntax.Regexp) uint64 {
	n := uint64(1)
	switch re.Op {
	case syntax.OpLiteral:
		n = uint64(len(re.Rune))
	case syntax.OpCharClass:
		n += uint64(len(re.Rune)) / 16 // one step, and the search in its ranges
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= uint64(max(re.Min, re.Max, 1))
	}
	return n
}
