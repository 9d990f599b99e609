package app

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain": "plain", "é 日本 😀": "é 日本 😀", `a\nb`: `a\nb`, "\u0301": "\u0301",
		"a\x1b[31m": `a\x1b[31m`, "\u009b31m": `\u009b31m`, "\x7f": `\x7f`, "a\nb\tc\r": `a\nb\tc\r`, "\x00": `\x00`,
		"\u202e": `\u202e`, "\u2066": `\u2066`, "\u200f": `\u200f`, "\u061c": `\u061c`, "\u200b": `\u200b`,
		"\ufeff":       `\ufeff`,
		"\u2028\u2029": `\u2028\u2029`, "\u0085\u00a0\u00ad": `\u0085\u00a0\u00ad`, "\U000e0041": `\U000e0041`,
		"\x9b31m": `\x9b31m`, "a\xff": `a\xff`, "\xe2\x80": `\xe2\x80`, "\ufffd": "\ufffd", "\xed\xa0\x80": `\xed\xa0\x80`,
	} {
		if got := Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Every character that terminals act on, that reorders text, or that cannot be seen, is escaped.
func TestCleanLeavesNothingThatActs(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		acts := unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Cs)
		if text := string(r); acts && utf8.ValidRune(r) && strings.ContainsRune(Clean(text), r) {
			t.Errorf("%U is raw", r)
		}
	}
}

// TestOutputLines begins no line for a text, whatever it is, and keeps ctl's own colours and layout.
func TestOutputLines(t *testing.T) {
	var b bytes.Buffer
	o := newOutput(&b, true)
	_ = o.Line("a\nb\x1b[0m")
	_ = o.PaintedLine(Text("\x1b"), Paint(true, "31", "red\x1b[0m\n"), Paint(false, "31", "plain"))
	_ = o.Prompt("ok?\r ")
	_ = o.Repaint(Text("50 %\x07"))
	_ = o.layout("a\n\tb\x1b\u009b\n")
	if b.Len() > 0 {
		t.Errorf("written before Flush: %q", &b)
	}
	want := `a\nb\x1b[0m` + "\n" + `\x1b` + "\x1b[31m" + `red\x1b[0m\n` + "\x1b[0mplain\n" + `ok?\r ` + "\r\x1b[K" +
		`50 %\a` + "a\n\tb" + `\x1b\u009b` + "\n"
	if err := o.Flush(); err != nil || b.String() != want {
		t.Errorf("%v: %q\nwant %q", err, &b, want)
	}
}

// The streams themselves are out of the reach of commands.
func TestEnvHasNoRawStream(t *testing.T) {
	var out, messages bytes.Buffer
	a := newApp(Env{Stdout: &out, Stderr: &messages})
	_, _ = a.Env.Stdout.Write([]byte("\x1b[2J"))
	_, _ = a.Env.Stderr.Write([]byte("\u009b2J"))
	_ = a.Stdout.Flush()
	if got := out.String() + messages.String(); got != `\x1b[2J\u009b2J` {
		t.Errorf("%q", got)
	}
}

func TestLogsPassTheLayer(t *testing.T) {
	var b bytes.Buffer
	defer LogThroughLayer(os.Stderr, os.Getenv)
	LogThroughLayer(&b, func(string) string { return "" })
	grpclog.Error("from the\nnetwork\u009b")
	log.Print("from a\x1blibrary")
	if got := b.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `from the\nnetwork\u009b`) ||
		!strings.Contains(got, `from a\x1blibrary`) {
		t.Errorf("%q", got)
	}
}

// Every field of the contract whose name says that it has a name, a cursor or a token, is decided on.
func TestNameFormsAreComplete(t *testing.T) {
	free := map[protoreflect.FullName]string{
		"sockgate.v1.ControlDetails.connection_ids": "a caller's text, also a malformed one",
		"sockgate.v1.ControlDetails.request_id":     "a caller's text",
		"sockgate.v1.ControlDetails.nodes":          "a map",
		"sockgate.v1.GapDetails.requested_cursor":   "a caller's text",
	}
	known := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("sockgate.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			if strings.HasSuffix(string(m.Name()), "Request") || m.Name() == "Scope" {
				continue
			}
			for j := range m.Fields().Len() {
				d := m.Fields().Get(j)
				last := string(d.Name())[strings.LastIndex(string(d.Name()), "_")+1:]
				isName := strings.Contains(" id ids node nodes cursor incarnation token ", " "+last+" ")
				switch {
				case nameForms[d.FullName()] != nil:
					known++
				case isName && d.Kind() == protoreflect.StringKind && free[d.FullName()] == "":
					t.Errorf("%s is in no list: say in nameForms which form it has", d.FullName())
				}
			}
		}
		return true
	})
	if known != len(nameForms) {
		t.Errorf("%d of %d fields of nameForms are in the contract", known, len(nameForms))
	}
}

// FuzzClean holds what every output relies on: one line, nothing that acts, and the same text when it is cleaned again.
func FuzzClean(f *testing.F) {
	for _, text := range []string{"", "a", "\x1b[2J", "\u009b", "\x9b", "\u202e", "a\nb", "\xff", "\xe2\x80", "\ufffd",
		`\x1b`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Clean(text)
		if strings.ContainsFunc(got, unprintable) || !utf8.ValidString(got) || Clean(got) != got {
			t.Errorf("%q: %q", text, got)
		}
		if utf8.ValidString(text) && !strings.ContainsFunc(text, unprintable) && got != text {
			t.Errorf("%q was changed to %q", text, got)
		}
		if word := Word(text); strings.ContainsFunc(word, unprintable) {
			t.Errorf("%q: word %q", text, word)
		}
	})
}

// FuzzDocuments holds that JSON and YAML are harmless, and that a decoder gets the same text back.
func FuzzDocuments(f *testing.F) {
	for _, text := range []string{"", "a", "\x1b[2J", "\u009b", "\u202e", "a\nb", "\U000e0041", "\U0010ffff", `\u009b`,
		"---\n", "- x\n", ": ", "\u2028", "null", "1", "~", "\ufeff", "a\u0085b", strings.Repeat("\u200b", 200),
		"\t", " x "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := strings.ToValidUTF8(text, "\ufffd")
		message := &pb.Connection{Id: want, Labels: map[string]string{want: want}}
		for _, format := range []string{formatJSON, formatYAML} {
			var b bytes.Buffer
			a := newApp(Env{Stdout: &b, Stderr: &b})
			a.Output = format
			if err := a.PrintMessage(message); err != nil {
				t.Fatal(err)
			}
			if err := a.Stdout.Flush(); err != nil {
				t.Fatal(err)
			}
			if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && unprintable(r) }); i >= 0 {
				t.Errorf("%s of %q: %q", format, text, &b)
			}
			var got struct {
				ID     string            `json:"id" yaml:"id"`
				Labels map[string]string `json:"labels" yaml:"labels"`
			}
			decode := json.Unmarshal
			if format == formatYAML {
				decode = yaml.Unmarshal
			}
			if err := decode(b.Bytes(), &got); err != nil || got.ID != want || got.Labels[want] != want {
				t.Errorf("%s of %q: %v: %q", format, text, err, &b)
			}
		}
	})
}

// FuzzNameForms holds that ctl takes the names that a gateway takes, and that each can be printed and sent back.
func FuzzNameForms(f *testing.F) {
	for _, text := range []string{"", "edge-1", "edge-1.19ab0d3f1c2.42", "edge-1.19ab0d3f1c2@42", "a.1@0,b.2@3",
		"n.1.1\nn.1.2", "n.1.01", "n.1.0", "n.g.1", "n.1@", "n.1@1,", "N.1.1", "n.1.1 ", "n.1@1\u202e",
		"n.12345678901234567.1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := event.ParseID(text); (err == nil) != connectionID.ok(text) {
			t.Errorf("ID %q: %v", text, err)
		}
		if event.ValidNode(text) != nodesName.ok(text) && text != "" {
			t.Errorf("node %q", text)
		}
		if event.ValidIncarnation(text) != incarnation.ok(text) && text != "" {
			t.Errorf("incarnation %q", text)
		}
		_, err := event.ParseVector(text)
		twice := err != nil && strings.Contains(err.Error(), "two positions")
		if (err == nil || twice) != cursor.ok(text) && text != "" {
			t.Errorf("cursor %q: %v", text, err)
		}
		for _, form := range []*nameForm{connectionID, nodesName, incarnation, cursor, handlersName, instanceName,
			pageToken} {
			if form.ok(text) && Clean(text) != text {
				t.Errorf("%s %q", form.what, text)
			}
		}
	})
}
