package textcode

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestDecoderJoinsCharactersAcrossPackets(t *testing.T) {
	tests := map[string]struct {
		packets []string
		want    []string // the last one is what flush gives
	}{
		"whole":              {[]string{"héllo"}, []string{"héllo", ""}},
		"two bytes split":    {[]string{"h\xc3", "\xa9llo"}, []string{"h", "éllo", ""}},
		"byte by byte":       {[]string{"\xf0", "\x9f", "\x98", "\x80"}, []string{"", "", "", "😀", ""}},
		"incomplete at end":  {[]string{"a\xe2\x82"}, []string{"a", "\uFFFD"}},
		"broken off":         {[]string{"\xe2\x82", "A"}, []string{"", "\uFFFDA", ""}},
		"not a beginning":    {[]string{"\x80A\xff"}, []string{"\uFFFDA\uFFFD", ""}},
		"withholds no ASCII": {[]string{"\xe2A"}, []string{"\uFFFDA", ""}},
		"overlong":           {[]string{"\xc0\xaf"}, []string{"\uFFFD\uFFFD", ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := TextDecoder{Encoding: EncodingUTF8}
			var got []string
			for _, p := range tt.packets {
				got = append(got, d.Decode([]byte(p)))
			}
			got = append(got, d.Flush())
			if strings.Join(got, "|") != strings.Join(tt.want, "|") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDecoderDoesNotDependOnPackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
			rapid.SliceOf(rapid.Byte()),
		).Draw(t, "data")
		one := TextDecoder{Encoding: EncodingUTF8}
		want := one.Decode(data) + one.Flush()
		many := TextDecoder{Encoding: EncodingUTF8}
		got := ""
		for rest := data; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			got += many.Decode(rest[:n])
			rest = rest[n:]
		}
		got += many.Flush()
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if utf8.Valid(data) && got != string(data) {
			t.Fatalf("got %q of %q", got, data)
		}
	})
}

func TestDecoderOtherEncodings(t *testing.T) {
	hex, b64 := TextDecoder{Encoding: encodingHex}, TextDecoder{Encoding: encodingBase64}
	if got := hex.Decode([]byte("\x00\xffA")); got != "00ff41" {
		t.Errorf("hex: %q", got)
	}
	if got := b64.Decode([]byte("hello")); got != "aGVsbG8=" {
		t.Errorf("base64: %q", got)
	}
}
