package app

import (
	"strings"
	"testing"
	"time"
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

// However a text is cut into packets, it comes out whole, and bytes come out as they would in one packet.
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

func TestHumanUnits(t *testing.T) {
	sizes := map[uint64]string{
		0: "0B", 1023: "1023B", 1024: "1KiB", 1536: "1.5KiB", 1<<20 - 1: "1MiB", 1 << 20: "1MiB", 5 << 30: "5GiB",
		1<<64 - 1: "16EiB",
	}
	for n, want := range sizes {
		if got := HumanBytes(n); got != want {
			t.Errorf("humanBytes(%d) = %q, want %q", n, got, want)
		}
	}
	durations := map[time.Duration]string{
		0: "0s", 12345 * time.Nanosecond: "12µs", 250 * time.Millisecond: "250ms", 1500 * time.Millisecond: "1.5s",
		42 * time.Second: "42s", 192 * time.Second: "3m12s", time.Hour: "1h", 5*time.Hour + 2*time.Minute: "5h2m",
		76 * time.Hour: "3d4h", -time.Second: "-1s", 59*time.Minute + 59*time.Second + 600*time.Millisecond: "1h",
	}
	for d, want := range durations {
		if got := HumanDuration(d); got != want {
			t.Errorf("humanDuration(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestTallyExitCode(t *testing.T) {
	tests := []struct {
		codes []int
		want  int
	}{
		{nil, 0}, {[]int{0, 0}, 0}, {[]int{0, 4}, 3}, {[]int{1, 0}, 3}, {[]int{4}, 4}, {[]int{4, 4}, 4}, {[]int{1, 1}, 1},
		{[]int{2}, 2}, {[]int{4, 1}, 1}, {[]int{4, 1, 0}, 3},
	}
	for _, tt := range tests {
		var result Tally
		for _, code := range tt.codes {
			result.Add(code)
		}
		if got := result.ExitCode(); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.codes, got, tt.want)
		}
	}
}
