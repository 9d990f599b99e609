package contract

import (
	"strings"
)

// ValidText replaces what is not UTF-8 in a text that comes from outside, such as a panic's: gRPC could send none of the message
// that it is in.
func ValidText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Short returns the beginning of what a caller gave, for metadata: errors travel in trailers, which have little room.
func Short(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
