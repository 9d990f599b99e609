package app

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// unprintable reports whether a character could drive a terminal, or reorder or hide text: controls (C0, DEL, C1), bidi
// and zero-width characters, line and paragraph separators, every space but U+0020, and unassigned characters.
func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// Clean makes text harmless on a terminal, and one line: an unprintable character becomes its escape in Go's form, and
// a byte that is not UTF-8 becomes \xNN. Cleaning again changes nothing.
func Clean(s string) string { return escape(s, noLayout) }

// Word is Clean for a foreign text in a line of name=value: a text that could be read as several fields is quoted.
func Word(s string) string {
	if strings.ContainsAny(s, " \"") {
		return strconv.Quote(s)
	}
	return Clean(s)
}

// noLayout lets no control character pass.
func noLayout(rune) bool { return false }

// textLayout lets the line ends and tabs of a text pass that ctl itself has laid out.
func textLayout(r rune) bool { return r == '\n' || r == '\t' }

// escape escapes every unprintable character that layout does not let pass.
func escape(s string, layout func(rune) bool) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unprintable(r) && !layout(r) }) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\x%02x`, s[0])
		case !unprintable(r) || layout(r):
			b = append(b, s[:size]...)
		default:
			b = appendGoEscape(b, r)
		}
		s = s[size:]
	}
	return string(b)
}

// appendGoEscape appends \n, \x1b, \u009b or \U000e0001.
func appendGoEscape(b []byte, r rune) []byte {
	quoted := strconv.QuoteRuneToASCII(r)
	return append(b, quoted[1:len(quoted)-1]...)
}

// escapeJSON escapes the unprintable characters of a JSON text, all of which are inside its strings. A decoder gets the
// same values back.
func escapeJSON(text []byte) []byte {
	return escapeStrings(text, func(b []byte, r rune) []byte {
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		}
		return fmt.Appendf(b, `\u%04x`, r)
	})
}

// escapeYAML is escapeJSON for a YAML text whose strings with unprintable characters are double-quoted.
func escapeYAML(text []byte) []byte {
	return escapeStrings(text, func(b []byte, r rune) []byte {
		if r > 0xffff {
			return fmt.Appendf(b, `\U%08x`, r)
		}
		return fmt.Appendf(b, `\u%04x`, r)
	})
}

// escapeStrings gives every unprintable character but the line end to escapeRune.
func escapeStrings(text []byte, escapeRune func([]byte, rune) []byte) []byte {
	b := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...) // as encoding/json replaces it
		case r == '\n' || !unprintable(r):
			b = append(b, text[:size]...)
		default:
			b = escapeRune(b, r)
		}
		text = text[size:]
	}
	return b
}
