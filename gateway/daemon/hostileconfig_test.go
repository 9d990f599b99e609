package daemon_test

import (
	"fmt"
	"strings"
	"testing"
)

// numbered repeats a text with a number in place of each #, up to a size.
func numbered(text string, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		b.WriteString(strings.ReplaceAll(text, "#", fmt.Sprint(i)))
	}
	return b.String()
}

// TestHostileConfig checks that a configuration file is refused in a time in proportion to its size, with a short error
// that names the line, however it was made.
func TestHostileConfig(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	bomb := "listen: &a0 [x]\n"
	for i := range 20 {
		bomb += fmt.Sprintf("allow: &a%d [%s]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	for name, c := range map[string]struct{ text, want string }{
		"duplicates":       {strings.Repeat("node: a\n", size/8), `line 2: "node" is already defined in line 1`},
		"unknown keys":     {numbered("k#: a\n", size-16), `line 1: unknown key "k0"`},
		"known and merged": {"node: a\n<<: {node: b}\n", `line 2: unknown key "<<.node"`},
		"anchors":          {"node: a\n" + numbered("k#: &a# b\n", size-32), `line 2: unknown key "k0"`},
		"bomb":             {bomb, "line 2: a list or a map in place of one value"},
		"own alias":        {"listen: &a [*a]\n", "line 1: a list or a map in place of one value"},
		"aliases": {"node: &a x\nlisten: [" + strings.Repeat("*a,", 300_000) + "]\n",
			"a list of 300000 values; expected at most 10000"},
		"big copies": {"listen: [&a !!binary " + strings.Repeat("QUFB", 200_000) + strings.Repeat(",*a", 9_999) + "]\n",
			"--listen"},
		"list items":       {"listen:\n" + strings.Repeat("- a\n", size/4-8), "line 2: a list of 262136 values"},
		"list on one line": {"listen: [" + strings.Repeat("a,", size/2-8) + "]", "line 1: a list of"},
		"text with commas": {"listen: '" + strings.Repeat(",", size-16) + "'", "expected at most 10000"},
		"deep lists":       {"listen: " + strings.Repeat("[", size-16), "depth"},
		"deep maps":        {"listen: " + strings.Repeat("{a: ", size/4-8), "depth"},
		"fewer deep lists": {"listen: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
			"a list or a map in place of"},
		"deep blocks":      {"listen: \n" + strings.Repeat("- ", size/2-16), "depth"},
		"directives":       {numbered("%TAG !t#! tag:x,2000:\n", size-32) + "---\nnode: a\n", "line 1: a YAML directive"},
		"comments":         {strings.Repeat("#\n", size/2-16) + "node: A\n", "expected 1 to 32"},
		"deep comments":    {strings.Repeat("node:\n#c\n", size/9-8), `line 3: "node" is already defined in line 1`},
		"documents":        {strings.Repeat("--- \n", size/5), "more than one YAML document"},
		"end and more":     {"node: edge-1\n...\nnode: edge-2\n", "more than one YAML document"},
		"end and noise":    {"node: edge-1\n...\n]]]\n", "more than one YAML document"},
		"NUL":              {"node: a" + strings.Repeat("\x00", size-16), "control characters"},
		"no UTF-8":         {strings.Repeat("\xff", size), "UTF-8"},
		"long key":         {strings.Repeat("x", size-4) + ": a", "mapping values are not allowed"},
		"long value":       {"node: " + strings.Repeat("x", size-8), "expected 1 to 32"},
		"newlines in text": {"node: |\n" + strings.Repeat(" a\n", size/3-8), "expected 1 to 32"},
		"tags":             {numbered("!t# a: b\n", size-16), `line 1: unknown key "a"`},
		"map as key":       {"? {a: b}\n: c\n", "line 1: a key that is no text"},
		"empty map":        {"node: {}\n", "line 1: a list or a map in place of one value"},
		"too large":        {"#" + strings.Repeat("\n", size), "longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := run(nil, append([]string{"--config", write(t, c.text)}, loopback[2:4]...)...)
			if code != 2 || !strings.Contains(stderr, c.want) || len(stderr) > 4096 {
				t.Errorf("exit %d, %d bytes: %.300s; expected %q", code, len(stderr), stderr, c.want)
			}
		})
	}
}

// TestAliasesInConfig checks that a file may still use a value twice.
func TestAliasesInConfig(t *testing.T) {
	t.Parallel()
	file := write(t, "idle-timeout: &t 7s\nwrite-timeout: *t\nallow: &n [127.0.0.0/8, 10.0.0.0/8]\n")
	g := start(t, nil, "--config", file)
	l := g.info().GetLimits()
	if l.GetWriteTimeout().AsDuration() != l.GetIdleTimeout().AsDuration() || len(l.GetAllow()) != 2 {
		t.Error(l)
	}
}

// TestHostileEnvironment checks that a large environment is refused or ignored with a bounded output.
func TestHostileEnvironment(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 20_000 {
		many = append(many, fmt.Sprintf("SOCKGATE_X%d=1", i))
	}
	code, _, stderr := run(many, loopback...)
	if code != 0 || strings.Count(stderr, "\n") > 40 || !strings.Contains(stderr, "19980") {
		t.Errorf("exit %d: %d lines: %.1000s", code, strings.Count(stderr, "\n"), stderr)
	}
	for value, want := range map[string]string{
		strings.Repeat("a,", 50_000):                        "SOCKGATE_LISTEN: 50001 values; expected at most 10000",
		strings.Repeat("a", 1<<20):                          "expected",
		"127.0.0.1:0 " + strings.Repeat("tls=off ", 10_000): "twice",
		"\x00\n\x1b[31m":                                    "expected",
	} {
		code, _, stderr := run([]string{"SOCKGATE_LISTEN=" + value}, loopback[2:]...)
		if code != 2 || !strings.Contains(stderr, want) || len(stderr) > 4096 {
			t.Errorf("%.30q: exit %d: %.300q", value, code, stderr)
		}
	}
}
