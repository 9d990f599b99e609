package filter

import (
	"fmt"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
)

// Errors travel in the trailers of a call, so their parts are short: how many bytes of the expression the text repeats, and
// how long a message can be.
const (
	maxQuoted  = 80
	maxMessage = 600
)

// Error says why an expression is not a filter.
type Error struct {
	Expr    string // the whole expression
	Line    int    // counts from 1
	Column  int    // counts from 1, in characters; 1 with Line 1 also when the expression as a whole is at fault
	Message string // one sentence without a full stop
}

// Error returns the quoted expression (its beginning when it is long), the position and the message.
func (e *Error) Error() string {
	expr := strconv.Quote(e.Expr)
	if start := clip(e.Expr, maxQuoted); start != e.Expr {
		expr = strconv.Quote(start) + "…"
	}
	return fmt.Sprintf("filter %s: %d:%d: %s", expr, e.Line, e.Column, e.Message)
}

// wholeError is about the expression as a whole.
func wholeError(expr, message string) *Error {
	return &Error{Expr: expr, Line: 1, Column: 1, Message: clip(message, maxMessage)}
}

// clip returns the first bytes of a text, whole characters only.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// issueError reports the first of CEL's issues, and how many there are besides.
func issueError(expr string, issues *cel.Issues) *Error {
	all := issues.Errors()
	if len(all) == 0 {
		return wholeError(expr, oneSentence(issues.Err().Error()))
	}
	first := all[0]
	e := wholeError(expr, oneSentence(first.Message))
	if l := first.Location; l.Line() > 0 {
		e.Line, e.Column = l.Line(), max(l.Column(), 0)+1
	}
	if name, ok := undeclared(first.Message); ok {
		e.Message = undeclaredMessage(name, isCall(expr, e.Line, e.Column))
	}
	if len(all) > 1 {
		e.Message += fmt.Sprintf(" (and %d more)", len(all)-1)
	}
	return e
}

// oneSentence keeps what a reader of one line can use: not the dump of every token that the grammar would have taken, nor
// further lines, and operators as they are written.
func oneSentence(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	if at := strings.Index(message, " expecting {"); at >= 0 {
		message = message[:at]
	}
	message = strings.ReplaceAll(message, " (in container '')", "")
	if before, rest, ok := strings.Cut(message, "overload for '"); ok {
		if symbol, after, ok := strings.Cut(rest, "'"); ok {
			if symbol == operators.Index {
				message = before + "overload for '[]'" + after
			} else if written, known := operators.FindReverse(symbol); known && written != "" {
				message = before + "overload for '" + written + "'" + after
			}
		}
	}
	return message
}

// isCall reports whether CEL points at the parenthesis of a call: it does so for a function, and at the name otherwise.
func isCall(expr string, line, column int) bool {
	lines := strings.Split(expr, "\n")
	if line > len(lines) {
		return false
	}
	runes := []rune(lines[line-1])
	return column <= len(runes) && runes[column-1] == '('
}

// undeclared returns the name that an issue of the checker says it does not know.
func undeclared(message string) (string, bool) {
	rest, ok := strings.CutPrefix(message, "undeclared reference to '")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, "'")
	return clip(name, maxQuoted), ok
}
