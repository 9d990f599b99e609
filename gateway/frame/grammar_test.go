package frame

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, canonical := range map[string]string{
		"raw":            "raw",
		"line":           "line",
		"delimiter:7e":   "delimiter:7e",
		"delimiter:0D0A": "delimiter:0d0a",
		"delimiter:000102030405060708090a0b0c0d0e0f": "delimiter:000102030405060708090a0b0c0d0e0f",
		"fixed:8":                     "fixed:8",
		"fixed:1073741824":            "fixed:1073741824",
		"varint":                      "varint",
		"varint,offset=1":             "varint,offset=1",
		"varint,offset=0":             "varint",
		"length:1":                    "length:1",
		"length:2,offset=2,adjust=-4": "length:2,offset=2,adjust=-4",
		"length:8,strip=4,adjust=+4,offset=03,le":  "length:8,le,offset=3,adjust=4,strip=4",
		"length:8,adjust=-9223372036854775807":     "length:8,adjust=-9223372036854775807",
		"length:1,adjust=-255":                     "length:1,adjust=-255",
		"length:4,adjust=1073741824,strip=0,le":    "length:4,le,adjust=1073741824",
		"length:3,offset=1073741824,strip=1000000": "length:3,offset=1073741824,strip=1000000",
	} {
		f, err := Parse(text)
		if err != nil || f.String() != canonical {
			t.Errorf("Parse(%q): %s, %v; expected %s", text, f, err, canonical)
		}
		if again, err := Parse(canonical); err != nil || again != f {
			t.Errorf("Parse(%q): %s, %v; expected the same as of %q", canonical, again, err, text)
		}
	}
	if f := must(t, "raw"); f != (Format{}) {
		t.Errorf("raw is %+v; expected the zero format", f)
	}
}

// TestParseRefuses checks that every error names the text that was given, and has the example or the bound.
func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"": "expected raw, line, delimiter:HEX, fixed:N, varint or length:N, for " +
			"example length:2",
		"lines":                                "expected raw, line, delimiter:HEX",
		" line":                                "expected raw, line, delimiter:HEX",
		"LINE":                                 "expected raw, line, delimiter:HEX",
		"raw:1":                                "expected raw alone",
		"raw,":                                 `"" stands behind the comma; expected raw alone`,
		"line,offset=1":                        `"offset=1" stands behind the comma; expected line alone`,
		"delimiter":                            "expected 1 to 16 bytes in hex, for example delimiter:7e",
		"delimiter:":                           "expected 1 to 16 bytes in hex",
		"delimiter:7":                          "expected 1 to 16 bytes in hex",
		"delimiter:0x7e":                       "expected 1 to 16 bytes in hex",
		"delimiter:7e,7f":                      `"7f" stands behind the comma; expected 1 to 16 bytes in hex, for example delimiter:7e`,
		"fixed":                                "expected 1 to 1073741824 bytes, for example fixed:8",
		"fixed:0":                              "expected 1 to 1073741824 bytes",
		"fixed:-1":                             "expected 1 to 1073741824 bytes",
		"fixed:1073741825":                     "expected 1 to 1073741824 bytes",
		"fixed:64KiB":                          "expected 1 to 1073741824 bytes",
		"varint:4":                             "expected varint or, for example, varint,offset=1",
		"varint,le":                            `"le" is no option; expected offset, for example offset=4`,
		"varint,strip=1":                       `"strip=1" is no option; expected offset`,
		"varint,":                              `"" is no option; expected offset`,
		"length":                               "expected a field of 1, 2, 3, 4 or 8 bytes, for example length:2,offset=4",
		"length:5":                             "expected a field of 1, 2, 3, 4 or 8 bytes",
		"length:16":                            "expected a field of 1, 2, 3, 4 or 8 bytes",
		"length:02":                            "expected a field of 1, 2, 3, 4 or 8 bytes",
		"length:2 ,le":                         "expected a field of 1, 2, 3, 4 or 8 bytes",
		"length:2,be":                          `"be" is no option; expected le, offset, adjust, strip, for example length:4,le`,
		"length:2,le=1":                        `"le=1" has a wrong value; expected le alone, for example length:4,le`,
		"length:2,le,le":                       "le is given twice; expected it once",
		"length:2,offset=1,offset":             "offset is given twice; expected it once, for example offset=4",
		"length:2,offset":                      `"offset" has a wrong value; expected 0 to 1073741824 bytes, for example offset=4`,
		"length:2,offset=-1":                   `"offset=-1" has a wrong value; expected 0 to 1073741824 bytes`,
		"length:2,strip=1e3":                   `"strip=1e3" has a wrong value; expected 0 to 1073741824 bytes, for example strip=2`,
		"length:2,adjust=":                     `"adjust=" has a wrong value; expected -9223372036854775808 to 1073741824 bytes`,
		"length:8,adjust=-9223372036854775809": `"adjust=-9223372036854775809" has a wrong value`,
		"length:8,adjust=1073741825":           `"adjust=1073741825" has a wrong value`,
		"length:8,adjust=-9223372036854775808": "makes every frame end before its length field does; expected at least " +
			"-9223372036854775807, for example length:4,adjust=-4",
		"length:1,adjust=-256": "adjust=-256 makes every frame end before its length field does; " +
			"expected at least -255",
		"delimiter:000102030405060708090a0b0c0d0e0f10": "expected 1 to 16 bytes in hex",
	} {
		f, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), says) || f != (Format{}) {
			t.Errorf("Parse(%q): %s, %v; expected an error with %q", text, f, err, says)
		}
		if given := `frame "` + text + `": `; err != nil && !strings.HasPrefix(err.Error(), given) {
			t.Errorf("Parse(%q): %v; expected it to begin with %s", text, err, given)
		}
	}
}

func TestFits(t *testing.T) {
	for text, least := range map[string]int{"line": 1, "delimiter:0d0a": 2, "fixed:100": 100, "varint": 1,
		"varint,offset=7": 8, "length:4": 4, "length:4,adjust=-4": 4, "length:2,offset=22,adjust=1": 25,
		"length:2,strip=9": 9} {
		f := must(t, text)
		if err := f.Fits(least); err != nil {
			t.Errorf("%s in %d bytes: %v", text, least, err)
		}
		if err := f.Fits(least - 1); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s in %d bytes: %v; expected an error that names it", text, least-1, err)
		}
	}
	if err := (Format{}).Fits(0); err != nil {
		t.Errorf("raw: %v", err)
	}
}

// FuzzParse checks that the text of a format makes the same format, and that an error names the given text.
func FuzzParse(f *testing.F) {
	for _, g := range gallery {
		f.Add(g.format)
	}
	f.Add("length:8,le,offset=1073741824,adjust=-9223372036854775807,strip=1073741824")
	f.Fuzz(func(t *testing.T, text string) {
		format, err := Parse(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "frame \"") || format != (Format{}) {
				t.Errorf("%q: %+v, %v", text, format, err)
			}
			return
		}
		if again, err := Parse(format.String()); again != format || err != nil {
			t.Errorf("%q is %+v, and %s is %+v, %v", text, format, format, again, err)
		}
		if least := format.least(); least < 0 || least > 3*maxSetting {
			t.Errorf("%s has at least %d bytes", format, least)
		}
	})
}
