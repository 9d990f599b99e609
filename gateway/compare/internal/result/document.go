package result

import (
	"fmt"
	"strings"
)

// The lines of a document that enclose the results.
const (
	beginMark = "<!-- results -->"
	endMark   = "<!-- end -->"
)

// Insert returns a document with text in place of the lines between its two marks. Each mark must be there once, in
// their order.
func Insert(document, text string) (string, error) {
	before, rest, ok := strings.Cut(document, beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 || strings.Count(document, beginMark) != 1 || strings.Count(document, endMark) != 1 {
		return "", fmt.Errorf("expected one %s, and one %s after it", beginMark, endMark)
	}
	return before + beginMark + "\n\n" + strings.TrimSpace(text) + "\n\n" + endMark + after, nil
}
