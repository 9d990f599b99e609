package daemon

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// oneLine returns a copy of a record in one line that changes nothing on a terminal: control characters, line ends and
// other runes that are not printed are escaped, as \n, \u001b or \ud83d\ude00, and bytes that are no UTF-8 as \xff. In
// JSON such runes are in texts only, where the escapes stand for the same runes.
func oneLine(record []byte) []byte {
	record = bytes.TrimSuffix(record, []byte("\n"))
	line := make([]byte, 0, len(record)+1)
	for len(record) > 0 {
		r, size := utf8.DecodeRune(record)
		switch {
		case r == utf8.RuneError && size == 1:
			line = fmt.Appendf(line, `\x%02x`, record[0])
		case unicode.IsPrint(r):
			line = append(line, record[:size]...)
		default:
			line = appendEscaped(line, r)
		}
		record = record[size:]
	}
	return append(line, '\n')
}

// appendEscaped appends the escape of a rune that is not printed.
func appendEscaped(line []byte, r rune) []byte {
	switch r {
	case '\n':
		return append(line, `\n`...)
	case '\r':
		return append(line, `\r`...)
	case '\t':
		return append(line, `\t`...)
	}
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Appendf(line, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(line, `\u%04x`, r)
}
