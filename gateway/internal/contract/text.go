package contract

import "strings"

// ValidText replaces invalid UTF-8 in a text from outside, such as a panic's, by U+FFFD, because gRPC refuses to send a
// whole message for one invalid string.
func ValidText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Short returns s, or its first 100 bytes and an ellipsis. It is for the metadata of errors, which travel in trailers,
// where gRPC has little space.
func Short(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
