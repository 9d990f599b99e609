package filter

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// nested returns a core between n openings and n closings.
func nested(n int, opening, core, closing string) string {
	return strings.Repeat(opening, n) + core + strings.Repeat(closing, n)
}

// filled repeats a unit between separators until the expression is as long as it may be.
func filled(opening, unit, separator, closing string) string {
	n := (MaxLength - len(opening) - len(closing) + len(separator)) / (len(unit) + len(separator))
	return opening + strings.TrimSuffix(strings.Repeat(unit+separator, n), separator) + closing
}

// hostile are expressions of at most MaxLength bytes that cost CEL, or Go's regexp, far more than others of their
// length: some took seconds and gigabytes.
func hostile() []string {
	return []string{
		// an error's text has a copy of its line
		filled("", `node.matches(labels["k"])`, "||", ""), filled("", "1", "||", ""), filled("", "idd", "||", ""),
		filled("", "a.b()", "||", ""), filled("", "id.getHour()", "+", ""), filled("", "x", "\n||", ""),
		filled("", `close_reason == "`+strings.Repeat("x", 40)+`"`, "||", ""), filled("", `ip_in(id, "10/8")`, "||", ""),
		// types that double
		nested(8, "", "[1]", ".map(x, {x: x})"), nested(60, "", "[1]", ".map(x, {x: x})"),
		nested(60, "", "[1]", ".map(x, {[x]: [x]})"), nested(20, "", "[]", ".map(x, {x: x})"),
		nested(60, "", "[1]", ".map(x, [x])"), nested(60, "", "[1]", ".map(x, {1: x})"),
		nested(8, "[].all(x, ", "x == {x: x}", ")"),
		"[].all(a, [].all(b, [].all(c, [].all(d, a == {1: {b: b}} && b == {1: {c: c}} && c == {1: {d: d}}))))",
		nested(30, "{", "1", ": 1}"), filled("", nested(12, "[", "1", "]"), "==", ""),
		filled("", nested(12, "[", "1", "]")+"=="+nested(12, "[", "1", "]"), "||", ""),
		filled("", nested(7, "[", "1", "]")+"=="+nested(7, "[", "1", "]"), "||", ""),
		filled("", nested(12, "type(", "1", ")")+"==type(1)", "||", ""), filled("", "[]==[]", "||", ""),
		filled("", "{}=={}", "||", ""), filled("", nested(12, "{1: ", "1", "}")+"=={}", "||", ""),
		// many parts
		filled("1 in [", "1", ",", "]"), filled("1 in [", "1+1", ",", "]"), filled("{", "1:1", ",", "}=={}"),
		filled("1 in [", "[1]", ",", "]"), filled("", "1==1", "||", ""), filled("", "1<1.0", "||", ""),
		filled("", "id+id==id", "||", ""), filled("", "[].all(a,true)", "||", ""), filled("", "has(labels.a)", "||", ""),
		filled("", "[1].map(x,x)==[1]", "||", ""), filled("", "!read_paused", "||", ""), filled("size(", "x", ",", ")==1"),
		filled("size(", "{}", ",", ")==1"), filled("id.replace(", "[[]]", ",", ")==id"), filled("f(", "1", ",", ")"),
		filled("a.B{", "x:1", ",", "}"), filled("", "google.protobuf.Any{}", "==", ""),
		// depth
		strings.Repeat("(", MaxLength), strings.Repeat("[", MaxLength), strings.Repeat("!", MaxLength),
		strings.Repeat("-", MaxLength), strings.Repeat("1+", 2047) + "1", strings.Repeat("a?", 2047) + "a",
		nested(60, "[1].all(x, ", "true", ")"), nested(60, "true ? 1 : ", "1", ""), nested(60, "(true ? ", "1", " : 1)"),
		filled("", nested(10, "(", "1", ")"), "||", ""), filled("", "(true?1:true?1:true?1:2)==1", "||", ""),
		filled("", "x"+strings.Repeat(".a", 60), "||", ""), filled("", "id"+strings.Repeat(".a", 60), "||", ""),
		filled("", `labels["k"]`+strings.Repeat(".a", 60), "||", ""), filled("", `""`+strings.Repeat("[0]", 60), "||", ""),
		filled("", "x"+strings.Repeat(".a", 60)+"()", "||", ""), filled("", "as"+strings.Repeat(".as", 60), "||", ""),
		filled("", nested(8, "labels[", "id", "]")+`==""`, "||", ""), filled("", nested(30, "1 in [", "1", "]"), "||", ""),
		// no expressions
		filled("true&&", "]", "", ""), filled("", "\"", "", ""), filled("", "@", "", ""), filled("", "a.", "", ""),
		filled("", "\n", "", ""), filled("", "a{", "", ""), filled("", "a\n", "", ""), filled("`", "é", "", ""),
		strings.Repeat("(1)||", 50) + "(", strings.Repeat("[{a:", 60) + "=", strings.Repeat("a?b:", 60),
		// lines
		strings.Repeat("\n", 2048) + strings.Repeat("[].all(a,b)||", 157),
		filled("", "labels.a==id", "||\n\n\n\n\n\n\n\n", ""),
		// long names
		strings.Repeat("x", MaxLength), "id." + strings.Repeat("x", 4000) + "()",
		`close_reason == "` + strings.Repeat("K", 4000) + `"`, filled("", strings.Repeat("a", 30), "||", ""),
		// patterns
		filled("", `id.matches(".{900}")`, "||", ""), filled("", `"".matches("(ab?){400}")`, "||", ""),
		`id.matches("[` + strings.Repeat(`\\pL`, 1000) + `]")`, `id.matches("[` + strings.Repeat(`\\PL`, 1000) + `]")`,
		`id.matches("(?i)[` + strings.Repeat(`\\PL`, 1000) + `]")`, `id.matches("` + strings.Repeat(`\\pL`, 1000) + `")`,
		filled("", `id.matches("\\pL\\pN")`, "||", ""), filled("", `id.matches("(?i)[B-\\x{1e942}]")`, "||", ""),
		`id.matches("(?i)` + strings.Repeat("[Ā-𝒳]", 400) + `")`,
		`id.matches("(?i)[` + strings.Repeat(`Ā-\\x{1e942}`, 200) + `]")`,
		`id.matches("(?s-m:(?mi:[` + strings.Repeat(`B-\\x{1e942}`, 200) + `]))")`,
		`id.matches("` + nested(900, "(", "a", ")") + `")`,
		`id.matches("` + strings.Repeat("a|ab|", 700) + `")`, `id.matches("` + nested(10, "(", "a", "){2}") + `")`,
		`id.matches("` + strings.Repeat("(", 4000) + `")`, `id.matches("` + strings.Repeat("x{2}", 900) + `")`,
		filled("", `id.matches("a")`, "||", ""),
		// constants
		filled("", `closed_at.getHours("Mars")==1`, "||", ""), filled("", `closed_at.getHours("UTC")==1`, "||", ""),
		filled("", `duration("1s")==age`, "||", ""), filled("", `duration("x")==age`, "||", ""),
		filled("", `timestamp("2020-01-01T00:00:00Z")==closed_at`, "||", ""), filled("", `int("1")==1`, "||", ""),
		`duration("` + strings.Repeat("1h", 2000) + `") == age`, `bytes("` + strings.Repeat("x", 4000) + `") == b""`,
		filled("", `ip_in("::1", "::/0")`, "||", ""), filled("", `state in ["x"]`, "||", ""),
		filled(`remote_ip in [`, `"1.1.1.1"`, ",", "]"), filled("", `state=="`+strings.Repeat("x", 100)+`"`, "||", ""),
	}
}

// maxGarbage is the greatest number of bytes that a Compile may allocate, whatever the expression.
const maxGarbage = 4 << 20

// TestCompileIsBounded holds that an expression costs little to refuse, and no more than one to accept.
func TestCompileIsBounded(t *testing.T) {
	for _, expr := range hostile() {
		if len(expr) > MaxLength {
			t.Fatalf("%.60s… has %d bytes", expr, len(expr))
		}
		if bytes := garbage(expr); bytes > maxGarbage {
			t.Errorf("Compile(%.60s…) allocates %d bytes, more than %d", expr, bytes, maxGarbage)
		}
	}
}

// TestBoundsAreTold holds that a refusal over a bound names the place, the size and the bound.
func TestBoundsAreTold(t *testing.T) {
	tests := []struct{ expr, want string }{
		{nested(4, "", "[1]", ".map(x, {x: x})") + " == []",
			`1:43: the key of the map is, or may be, a nested list or map; ` +
				`use a string, a number or a bool (and 2 more)`},
		{nested(8, "[", "1", "]") + " == []", `1:1: the type has 9 levels of lists and maps; at most 8 are allowed: nest fewer`},
		{filled("", nested(6, "[", "1", "]")+" == "+nested(6, "[", "1", "]"), " || ", ""),
			`1:1: the types of the expression's parts have 6959 levels of lists and maps together; ` +
				`at most 2560 are allowed: use fewer lists and maps`},
		{filled("", "1==1", "||", ""),
			`1:1: the expression has 2731 parts, with macros expanded; at most 2048 are allowed: select with fewer terms`},
		{nested(9, "[1].all(x, ", "true", ")"), `1:96: more than 8 macros are nested; nest fewer`},
		{"true && id.a.b.c.d.e.f.g.h", `1:25: dots join 9 names; at most 8 are allowed`},
		{"id.replace(" + filled("", "id", ",", ")")[:29] + ") == id", `1:11: the call has 10 arguments; no function takes more than 8`},
		{`id.matches("\\pL{3}` + strings.Repeat(`\\pN`, 32) + `")`,
			`1:12: the patterns have 33 classes of Unicode; at most 32 are allowed`},
		{`node.matches("a{300}") || node.matches("b{300}")`,
			`1:40: the patterns are too large together: 1200 steps; at most 1000 are allowed`},
		{`id.matches("(?i)[À-\\x{1e942}]")`,
			`1:12: the patterns have ranges of 125250 characters under the flag i; at most 4096 are allowed`},
		{and(21, `closed_at.getHours("UTC") == 1`), `the time zones are too costly together: 21 are named; at most 20 are allowed`},
	}
	for _, test := range tests {
		if _, err := Compile(test.expr); err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("Compile(%s): %v; want %s", test.expr, err, test.want)
		}
	}
}

// TestLongFiltersCompile holds that the bounds leave room for what programs and operators write.
func TestLongFiltersCompile(t *testing.T) {
	for _, expr := range []string{
		filled("id in [", `"edge-1.19ab0d3f1c2.1234567"`, ", ", "]"), filled("remote_port in [", "10001", ",", "]"),
		filled("", `node=="a"`, "||", ""), filled("", `labels.room=="7"`, "||", ""), filled("", "read_paused", "&&", ""),
		filled("", `labels["room"] == "7" && idle > duration("5m")`, " || ", ""),
		filled("", `ip_in(remote_ip, "10.0.0.0/8")`, " || ", ""), filled("", "has(labels.a)", " || ", ""),
		filled("[", `"10.0.0.0/8"`, ",", "].exists(n, ip_in(remote_ip, n))"), filled("", `bytes_sent>1`, "\n|| ", ""),
		filled("{", `"edge-1":"7"`, ",", "}[node] == labels.room"), `id in []`, `[].exists(n, ip_in(remote_ip, n))`,
		`labels.map(k, labels[k]).filter(v, v != "").map(v, {"name": v}).exists(m, m.name == "7")`,
		and(12, `id.matches("^(edge|core)-[0-9]+[.]")`), `labels.room.matches("(?i)^[a-zà-ý]+$")`,
	} {
		compiled(t, expr)
	}
}

// TestRandomCompileIsBounded looks for other hostile expressions.
func TestRandomCompileIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expr := random(rapid.Uint64().Draw(t, "seed"))
		if bytes := garbage(expr); bytes > maxGarbage {
			t.Fatalf("Compile(%s) allocates %d bytes, more than %d", expr, bytes, maxGarbage)
		}
	})
}

func random(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 0))
	g := &grammar{Rand: r, wrong: r.IntN(20), left: r.IntN(30)}
	return g.long()
}

// garbage returns the bytes that compiling an expression allocates.
func garbage(expr string) uint64 {
	bytes, _ := work(func() { _, _ = Compile(expr) })
	return bytes
}

// work returns the bytes that a function allocates, and its processor time. It runs the function again where that may
// be less, because the runtime works too.
func work(f func()) (bytes uint64, took time.Duration) {
	for i := range 12 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := processor()
		f()
		spent := processor() - start
		runtime.ReadMemStats(&after)
		if i == 0 {
			bytes, took = after.TotalAlloc-before.TotalAlloc, spent
		}
		bytes, took = min(bytes, after.TotalAlloc-before.TotalAlloc), min(took, spent)
		if bytes < maxGarbage/2 && took < 3*time.Millisecond && i > 0 {
			break
		}
	}
	return bytes, took
}

// processor returns the processor time of the process.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHostileCompile reports the worst of the hostile expressions and of b.N random ones.
func BenchmarkHostileCompile(b *testing.B) {
	_, _ = Compile("true") // makes the environment
	var most uint64
	var longest time.Duration
	measure := func(expr string) {
		bytes, took := work(func() { _, _ = Compile(expr) })
		if bytes > most {
			most = bytes
			b.Logf("%d bytes: %.300q", bytes, expr)
		}
		if took > longest {
			longest = took
			b.Logf("%v: %.300q", took, expr)
		}
	}
	for _, expr := range hostile() {
		measure(expr)
	}
	for i := range b.N {
		measure(random(uint64(i)))
	}
	b.ReportMetric(float64(most), "B-worst")
	b.ReportMetric(float64(longest.Microseconds()), "µs-worst")
}
