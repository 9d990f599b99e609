// Package textcode turns bytes into text and back, in the encodings that the operator may choose.
package textcode

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

// The encodings of --encoding: how bytes are written as text, in both directions.
const (
	EncodingUTF8   = "utf8"
	encodingHex    = "hex"
	encodingBase64 = "base64"
)

// Encodings are the values of --encoding.
func Encodings() []string { return []string{EncodingUTF8, encodingHex, encodingBase64} }

// CheckEncoding refuses an unknown --encoding.
func CheckEncoding(name string) error {
	if slices.Contains(Encodings(), name) {
		return nil
	}
	return fmt.Errorf("--encoding %q is not known; use one of %s", name, strings.Join(Encodings(), ", "))
}

// EncodeText makes the bytes that text stands for.
func EncodeText(text, encoding string) ([]byte, error) {
	switch encoding {
	case encodingHex:
		b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, fmt.Errorf("%s is not hex (%w); give pairs of the digits 0-9 and a-f, for example 48656c6c6f",
				short(text), err)
		}
		return b, nil
	case encodingBase64:
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, fmt.Errorf("%s is not base64 (%w); expected the standard alphabet with padding, for example SGVsbG8=",
				short(text), err)
		}
		return b, nil
	default:
		return []byte(text), nil
	}
}

// short quotes text for a message, cut to a length that fits there.
func short(text string) string {
	if len(text) > 40 {
		return strconv.QuoteToGraphic(text[:40]) + "..."
	}
	return strconv.QuoteToGraphic(text)
}

// TextDecoder turns a peer's packets into text. As with Node's setEncoding, an incomplete character at the end of a
// packet waits for the next one, and bytes that are not UTF-8 become U+FFFD.
type TextDecoder struct {
	Encoding string
	Carry    []byte // the first 1 to 3 bytes of a character
}

// Decode returns the text that is complete; it may be empty.
func (d *TextDecoder) Decode(p []byte) string {
	switch d.Encoding {
	case encodingHex:
		return hex.EncodeToString(p)
	case encodingBase64:
		return base64.StdEncoding.EncodeToString(p)
	}
	p = append(slices.Clip(d.Carry), p...)
	whole := len(p) - incomplete(p)
	d.Carry = slices.Clone(p[whole:])
	return validText(p[:whole])
}

// Flush returns the text of an incomplete character at the end of the input.
func (d *TextDecoder) Flush() string {
	text := validText(d.Carry)
	d.Carry = nil
	return text
}

// incomplete counts the bytes at the end of p that may be the beginning of a character.
func incomplete(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		tail := p[len(p)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// validText replaces each ill-formed sequence by one U+FFFD, cut as browsers and Node cut them.
func validText(p []byte) string {
	text, err := unicode.UTF8.NewDecoder().Bytes(p)
	if err != nil {
		return strings.ToValidUTF8(string(p), "\uFFFD")
	}
	return string(text)
}
