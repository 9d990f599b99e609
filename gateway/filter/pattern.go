package filter

import "regexp/syntax"

// maxPattern is the most steps that a pattern of matches may have.
const maxPattern = 1000

// patternSize is about how many steps a pattern compiles to. It counts before the pattern is compiled: `.{1000}` is short
// to write and long to compile.
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
		n += uint64(len(re.Rune)) / 16 // one step, and a search in its ranges
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= uint64(max(re.Min, re.Max, 1))
	}
	return n
}
