package filter

import (
	"strings"

	"cel.dev/cel-go/cel"
)

// maxWorded is the greatest length of an expression whose syntax errors CEL's default parser words, in bytes. That
// parser names each token that it did not expect, and takes up to 10 µs for a byte.
const maxWorded = 256

// syntaxError returns the error about an expression that the parser does not accept.
func (f *frontend) syntaxError(expr string, all []*cel.Error) *Error {
	if len(expr) <= maxWorded {
		if _, issues := f.env.Parse(expr); len(issues.Errors()) > 0 {
			return wordedError(expr, issues.Errors())
		}
	}
	e := listedFaults(all).refusal(expr)
	if e.Message == "Syntax error: unexpected token" {
		e.Message += " '" + token(expr, e.Line, e.Column) + "'"
	}
	return e
}

// wordedError returns the first of the default parser's errors in reading order.
func wordedError(expr string, all []*cel.Error) *Error {
	first := all[0]
	for _, one := range all[1:] {
		a, b := one.Location, first.Location
		if a.Line() < b.Line() || a.Line() == b.Line() && a.Column() < b.Column() {
			first = one
		}
	}
	line, column := 1, 1
	if first.Location.Line() > 0 {
		line, column = first.Location.Line(), max(first.Location.Column(), 0)+1
	}
	return refusal(expr, line, column, first.Message, len(all)-1)
}

// token returns the text at a place up to the next space, at most 20 bytes of it.
func token(expr string, line, column int) string {
	lines := strings.Split(expr, "\n")
	if line > len(lines) {
		return ""
	}
	runes := []rune(lines[line-1])
	text, _, _ := strings.Cut(string(runes[min(column-1, len(runes)):]), " ")
	return clip(text, 20)
}
