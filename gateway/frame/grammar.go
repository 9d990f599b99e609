package frame

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// name is the first word of a format's text.
type name struct {
	kind     kind
	value    func(f *Format, text string) bool // behind the colon; nil if nothing stands there
	expected string
	options  []string
}

var names = map[string]name{
	"raw":       {rawKind, nil, "raw alone", nil},
	"line":      {lineKind, nil, "line alone", nil},
	"delimiter": {delimiterKind, (*Format).setDelimiter, "1 to 16 bytes in hex, for example delimiter:7e", nil},
	"fixed":     {fixedKind, (*Format).setSize, "1 to 1073741824 bytes, for example fixed:8", nil},
	"varint":    {varintKind, nil, "varint or, for example, varint,offset=1", []string{"offset"}},
	"length": {lengthKind, (*Format).setWidth, "a field of 1, 2, 3, 4 or 8 bytes, for example length:2,offset=4",
		[]string{"le", "offset", "adjust", "strip"}},
}

// Parse reads the text of a format, for example `length:2,offset=4`. The package's documentation has the formats.
func Parse(text string) (Format, error) {
	f, err := parse(text)
	if err != nil {
		return Format{}, fmt.Errorf("frame %.100q: %w", text, err)
	}
	return f, nil
}

func parse(text string) (Format, error) {
	words := strings.Split(text, ",")
	key, value, valued := strings.Cut(words[0], ":")
	n, known := names[key]
	if !known {
		return Format{}, errors.New("expected raw, line, delimiter:HEX, fixed:N, varint or length:N, for example " +
			"length:2,offset=4")
	}
	f := Format{kind: n.kind}
	if valued != (n.value != nil) || valued && !n.value(&f, value) {
		return Format{}, fmt.Errorf("expected %s", n.expected)
	}
	if n.kind == lineKind {
		f.setEnd([]byte{'\n'})
	}
	if err := f.setOptions(words[1:], n); err != nil {
		return Format{}, err
	}
	return f, f.check()
}

func (f *Format) setDelimiter(text string) bool {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) < 1 || len(b) > maxDelimiter {
		return false
	}
	f.setEnd(b)
	return true
}

func (f *Format) setEnd(b []byte) { f.ending = uint8(copy(f.delimiter[:], b)) }

func (f *Format) setSize(text string) bool {
	return setNumber(&f.size, text) && f.size > 0
}

func (f *Format) setWidth(text string) bool {
	width := slices.Index([]string{"1", "2", "3", "4", "8"}, text)
	if width < 0 {
		return false
	}
	f.width = [...]uint8{1, 2, 3, 4, 8}[width]
	return true
}

// setOptions reads the words behind the first one. None may come twice.
func (f *Format) setOptions(words []string, n name) error {
	var seen []string
	for _, word := range words {
		key, value, valued := strings.Cut(word, "=")
		switch {
		case len(n.options) == 0:
			return fmt.Errorf("%.100q stands behind the comma; expected %s", word, n.expected)
		case !slices.Contains(n.options, key):
			return fmt.Errorf("%.100q is no option; expected %s, for example %s", word, strings.Join(n.options, ", "),
				example(n.options[0]))
		case slices.Contains(seen, key):
			return fmt.Errorf("%s is given twice; expected it once, for example %s", key, example(key))
		case !f.setOption(key, value, valued):
			return fmt.Errorf("%.100q has a wrong value; expected %s, for example %s", word, values(key), example(key))
		}
		seen = append(seen, key)
	}
	return nil
}

func (f *Format) setOption(key, value string, valued bool) bool {
	switch key {
	case "offset":
		return setNumber(&f.offset, value)
	case "strip":
		return setNumber(&f.strip, value)
	case "adjust":
		n, err := strconv.ParseInt(value, 10, 64)
		f.adjust = n
		return err == nil && n <= maxSetting
	}
	f.little = true
	return !valued
}

// setNumber reads a number of bytes.
func setNumber(to *int32, text string) bool {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > maxSetting {
		return false
	}
	*to = int32(n)
	return true
}

func example(option string) string {
	return map[string]string{"le": "length:4,le", "offset": "offset=4", "adjust": "adjust=-4", "strip": "strip=2"}[option]
}

func values(option string) string {
	switch option {
	case "le":
		return "le alone"
	case "adjust":
		return "-9223372036854775808 to 1073741824 bytes"
	}
	return "0 to 1073741824 bytes"
}

// check refuses an adjust that makes every length too small.
func (f *Format) check() error {
	if f.kind != lengthKind || f.adjust >= -f.largest() {
		return nil
	}
	return fmt.Errorf("adjust=%d makes every frame end before its length field does; expected at least %d, for example "+
		"length:4,adjust=-4", f.adjust, -f.largest())
}

// largest returns the largest length that the length field can have and a frame may have.
func (f *Format) largest() int64 {
	if f.width == 8 {
		return math.MaxInt64
	}
	return 1<<(8*f.width) - 1
}
