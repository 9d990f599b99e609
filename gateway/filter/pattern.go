package filter

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
)

// The bounds of the patterns of an expression together.
const (
	maxPattern = 1000 // steps
	maxClasses = 32   // classes of Unicode, such as \pL; one has up to 1,400 characters to sort
	maxFolded  = 4096 // characters in ranges beyond ASCII under the flag i; Go looks up the cases of each
)

// patterns counts what the patterns of an expression cost.
type patterns struct {
	steps   uint64
	classes int
	folded  int
}

// check requires a constant, because compiling a pattern at each match would cost more than the rest of the match.
func (p *patterns) check(arg ast.Expr) error {
	s, ok := literal(arg)
	if !ok {
		return fmt.Errorf("the pattern of matches must be a string constant")
	}
	if p.classes += strings.Count(s, `\p`) + strings.Count(s, `\P`); p.classes > maxClasses {
		return fmt.Errorf("the patterns have %d classes of Unicode; at most %d are allowed", p.classes, maxClasses)
	}
	if p.folded += foldedRange(s); p.folded > maxFolded {
		return fmt.Errorf("the patterns have ranges of %d characters under the flag i; at most %d are allowed",
			p.folded, maxFolded)
	}
	return p.count(s)
}

func (p *patterns) count(pattern string) error {
	size, err := patternSize(pattern)
	if err != nil {
		return fmt.Errorf("invalid pattern: %s", oneSentence(err.Error()))
	}
	if size > maxPattern {
		return fmt.Errorf("the pattern is too large: %d steps; at most %d are allowed", size, maxPattern)
	}
	if p.steps += size; p.steps > maxPattern {
		return fmt.Errorf("the patterns are too large together: %d steps; at most %d are allowed", p.steps, maxPattern)
	}
	return nil
}

// foldedRange bounds the characters beyond ASCII in the ranges of a pattern that may have the flag i; 0 without it.
func foldedRange(pattern string) int {
	if flags := strings.Split(pattern, "(?")[1:]; !slices.ContainsFunc(flags, setsFold) {
		return 0
	}
	total := 0
	for _, after := range strings.Split(pattern, "-")[1:] {
		total += rangeEnd(after)
	}
	return total
}

// setsFold reports whether a group begins with the flag i.
func setsFold(group string) bool {
	flags := strings.TrimLeft(group, "imsU")
	return strings.Contains(group[:len(group)-len(flags)], "i")
}

// rangeEnd returns the last character of a range, given the pattern after its hyphen, as a bound of the range's size;
// 0 for one of ASCII.
func rangeEnd(after string) int {
	if digits, ok := strings.CutPrefix(after, `\x`); ok {
		return hexadecimal(digits)
	}
	if r, _ := utf8.DecodeRuneInString(after); r >= utf8.RuneSelf {
		return int(r)
	}
	return 0
}

// hexadecimal returns the character of an escape such as {10ff} or 5a, or the last one when it is none.
func hexadecimal(escape string) int {
	digits, _, braced := strings.Cut(strings.TrimPrefix(escape, "{"), "}")
	if !braced || escape[0] != '{' {
		digits = clip(escape, 2)
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > utf8.MaxRune {
		return utf8.MaxRune
	}
	return int(n)
}

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
