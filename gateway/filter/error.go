package filter

import (
	"fmt"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/operators"
)

// The bounds of an error, in bytes. They are small because errors travel in the trailers of a call.
const (
	maxQuoted  = 80  // greatest length of the quoted expression
	maxMessage = 600 // greatest length of a message
)

// Error says why an expression is not a filter. Compile returns it.
type Error struct {
	Expr    string // the whole expression
	Line    int    // counts from 1
	Column  int    // counts from 1, in characters; 1:1 also when the expression as a whole is at fault
	Message string // one sentence without a full stop, at most about 600 bytes
}

// Error returns one line: the quoted expression, at most 80 bytes of it, the position and the message.
func (e *Error) Error() string {
	expr := strconv.Quote(e.Expr)
	if start := clip(e.Expr, maxQuoted); start != e.Expr {
		expr = strconv.Quote(start) + "…"
	}
	return fmt.Sprintf("filter %s: %d:%d: %s", expr, e.Line, e.Column, e.Message)
}

// wholeError returns an error about the expression as a whole.
func wholeError(expr, message string) *Error {
	return &Error{Expr: expr, Line: 1, Column: 1, Message: clip(message, maxMessage)}
}

// clip returns the first bytes of a text, at most most of them, and no part of a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// oneSentence makes one readable line of CEL's message. It drops further lines and the list of every acceptable token,
// and writes operators as an expression does.
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

// isCall reports whether an undeclared name is a function's: CEL then points at the parenthesis, and otherwise at the
// name.
func isCall(expr string, line, column int) bool {
	lines := strings.Split(expr, "\n")
	if line > len(lines) {
		return false
	}
	runes := []rune(lines[line-1])
	return column <= len(runes) && runes[column-1] == '('
}

// undeclared returns the name that a message of CEL's checker calls undeclared, and whether there is one.
func undeclared(message string) (string, bool) {
	rest, ok := strings.CutPrefix(message, "undeclared reference to '")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, "'")
	return clip(name, maxQuoted), ok
}
