package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/frame"
)

// parsed returns a listener without settings for all.
func parsed(t *testing.T, text string) listenerSettings {
	t.Helper()
	l, err := parseListen(text, tlsFlags{}, proxyFlags{mode: "off"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFrameWords checks that each format can be given, and that what is not given has its default.
func TestFrameWords(t *testing.T) {
	const most, timeout = 64 << 10, 30 * time.Second
	for words, want := range map[string]struct {
		format  string
		most    int
		timeout time.Duration
	}{
		"":                              {"raw", 0, 0},
		"frame=raw":                     {"raw", 0, 0},
		"frame=line":                    {"line", most, timeout},
		"frame=delimiter:7E":            {"delimiter:7e", most, timeout},
		"frame=fixed:8":                 {"fixed:8", most, timeout},
		"frame=fixed:65536":             {"fixed:65536", most, timeout},
		"frame=varint":                  {"varint", most, timeout},
		"frame=varint,offset=1 tls=off": {"varint,offset=1", most, timeout},
		`"frame=length:2,offset=4"`:     {"length:2,offset=4", most, timeout},
		"frame=length:8,strip=1,adjust=-2,le,offset=3": {"length:8,le,offset=3,adjust=-2,strip=1", most, timeout},
		"max-frame=1 frame-timeout=1ms frame=line":     {"line", 1, time.Millisecond},
		"frame=line max-frame=16MiB frame-timeout=1h":  {"line", 16 << 20, time.Hour},
		"frame=fixed:16777216 max-frame=16MiB":         {"fixed:16777216", 16 << 20, timeout},
	} {
		f := parsed(t, ":1 "+words)
		if f.Frame.String() != want.format || f.MaxFrame != want.most || f.FrameTimeout != want.timeout {
			t.Errorf("%s: %s, %d, %s; expected %v", words, f.Frame, f.MaxFrame, f.FrameTimeout, want)
		}
	}
}

// TestHandlerWords checks that a listener's own handler goes before the one for all.
func TestHandlerWords(t *testing.T) {
	for words, want := range map[string]string{"": "", "handler=echo": "echo", "handler=sink": "sink",
		"handler=remote:jt808": "remote:jt808", "handler=remote:" + strings.Repeat("-", 32): "remote:" +
			strings.Repeat("-", 32)} {
		if got := parsed(t, ":1 "+words).handler; got != want {
			t.Errorf("%q: %q; expected %q", words, got, want)
		}
	}
	s := settings{listen: []string{":1", ":2 handler=remote:a"}, handler: "remote:b", proxy: proxyFlags{mode: "off"}}
	if err := s.validateListeners(); err != nil || s.listeners[0].handler != "remote:b" ||
		s.listeners[1].handler != "remote:a" {
		t.Errorf("%v: %+v", err, s.listeners)
	}
}

// TestListenTexts checks which commas cut a text with several listeners.
func TestListenTexts(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                 {""},
		",":                                {"", ""},
		":1":                               {":1"},
		":1 , x=:2,":                       {":1", "x=:2", ""},
		":1 frame=line,:2":                 {":1 frame=line", ":2"},
		":1 frame=line,x=unix:///y":        {":1 frame=line", "x=unix:///y"},
		":1 frame=varint,offset=1,:2":      {":1 frame=varint,offset=1", ":2"},
		":1 frame=length:2 , le , strip=2": {":1 frame=length:2,le,strip=2"},
		":1 frame=length:2,offset=4 max-frame=1KiB,:2 frame=raw,offset=:3": {
			":1 frame=length:2,offset=4 max-frame=1KiB", ":2 frame=raw", "offset=:3"},
		":1 frame=length:2,offset=4 tls=off,x": {":1 frame=length:2,offset=4 tls=off", "x"},
		":1 frame=line,":                       {":1 frame=line,"},
		":1 frame=line,offset,,:2":             {":1 frame=line,offset,", ":2"},
		":1 max-frame=1,le":                    {":1 max-frame=1", "le"},
	} {
		if got := listenTexts(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q; expected %q", text, got, want)
		}
	}
}

// TestFramesFromEverySource checks that a format with commas comes through the command line, the environment and both
// forms of the file.
func TestFramesFromEverySource(t *testing.T) {
	const first, second = "a=:1 frame=length:2,offset=4,le max-frame=1KiB", "b=:2"
	for name, c := range map[string]struct {
		args, environ []string
		file          string
	}{
		"command line": {args: []string{"--listen", first, "--listen", second}},
		"environment":  {environ: []string{"SOCKGATE_LISTEN=" + first + "," + second}},
		"list":         {file: "listen: ['" + first + "', '" + second + "']"},
		"text":         {file: "listen: '" + first + ", " + second + "'"},
	} {
		got, err := settled(t, c.args, c.environ, c.file).GetStringArray("listen")
		if err != nil || !slices.Equal(got, []string{first, second}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestFormatsFit checks that a format whose shortest frame is longer than max-frame is refused, at its first byte over.
func TestFormatsFit(t *testing.T) {
	for format, least := range map[string]string{"fixed:9": "9", "length:4,offset=5": "9", "delimiter:0d0a": "2",
		"varint,offset=8": "9", "length:2,strip=9": "9"} {
		f, err := frame.Parse(format)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed(t, ":1 frame="+format+" max-frame="+least).Frame; got != f {
			t.Errorf("%s; expected %s", got, f)
		}
		_, err = parseListen(":1 max-frame=1 frame="+format, tlsFlags{}, proxyFlags{mode: "off"})
		for _, want := range []string{"frame=" + format, "max-frame=1", "at least " + least + " bytes", "16MiB"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v has no %q", format, err, want)
			}
		}
	}
}
