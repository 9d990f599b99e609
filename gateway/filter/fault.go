package filter

import (
	"errors"
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
)

// faults keeps the first of an expression's faults, in reading order, and their number. A refusal names no other, so
// only the first one's message is written.
type faults struct {
	first  error
	offset int // of the first, in characters; -1 for the expression as a whole
	count  int
}

func (f *faults) add(offset int, err error) {
	if f.count == 0 || offset < f.offset {
		f.first, f.offset = err, offset
	}
	f.count++
}

// addAt adds a fault of a part of the tree.
func (f *faults) addAt(tree *ast.AST, part ast.Expr, err error) {
	f.add(offsetOf(tree, part), err)
}

// offsetOf returns the place of a part of the tree, in characters; -1 when it has none.
func offsetOf(tree *ast.AST, part ast.Expr) int {
	if at, ok := tree.SourceInfo().GetOffsetRange(part.ID()); ok {
		return int(at.Start)
	}
	return -1
}

// listedFaults are the errors of CEL about a flatSource.
func listedFaults(all []*cel.Error) *faults {
	f := &faults{offset: math.MaxInt}
	for _, one := range all {
		offset := -1
		if one.Location.Line() > 0 {
			offset = one.Location.Column()
		}
		f.add(offset, errors.New(one.Message))
	}
	return f
}

// refusal returns the error about the faults; nil when there are none.
func (f *faults) refusal(expr string) *Error {
	if f.count == 0 {
		return nil
	}
	line, column := 1, 1
	if f.offset >= 0 {
		line, column = position(expr, f.offset)
	}
	return refusal(expr, line, column, f.first.Error(), f.count-1)
}

// refusal returns the error about a fault at a place, with the number of the faults behind it.
func refusal(expr string, line, column int, message string, more int) *Error {
	e := wholeError(expr, oneSentence(message))
	e.Line, e.Column = line, column
	if name, ok := undeclared(message); ok {
		e.Message = undeclaredMessage(name, isCall(expr, line, column))
	}
	if more > 0 {
		e.Message += fmt.Sprintf(" (and %d more)", more)
	}
	return e
}
