package filter

import (
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common"
)

// flatSource is an expression as one line: CEL's column is then the offset in characters. CEL would search its list of
// lines for each node of a macro, and an expression may have 4,096 lines.
type flatSource struct{ common.Source }

func newFlatSource(expr string) flatSource { return flatSource{common.NewTextSource(expr)} }

// LineOffsets returns no line breaks.
func (flatSource) LineOffsets() []int32 { return nil }

// OffsetLocation returns the offset as a column.
func (flatSource) OffsetLocation(offset int32) (common.Location, bool) {
	return common.NewLocation(1, int(offset)), true
}

// position returns the line and the column of the character at an offset. Both count from 1.
func position(expr string, offset int) (line, column int) {
	before := expr
	for at := range expr {
		if offset == 0 {
			before = expr[:at]
			break
		}
		offset--
	}
	line = strings.Count(before, "\n") + 1
	return line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}
