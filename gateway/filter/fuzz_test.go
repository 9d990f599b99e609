package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// FuzzCompile holds that no expression panics, at Compile or at a match, and that the error of a refused one says why
// and where in one line.
func FuzzCompile(f *testing.F) {
	for _, seeds := range [][]string{openYes, openNo, closedYes, unixYes, mappedYes} {
		for _, seed := range seeds {
			f.Add(seed)
		}
	}
	for _, seed := range []string{
		"labels.exists(.,a)", `labels != {"0": "0", "00": b"0", b"": ""}`,
		"foo ==", "\x00", "\xff", "(((((((", "[[[[[[", "!!!!!!!!!", "- - - -1", "'''", "r\"\\", "b'\\xff'", "a.b.c.d.e.f",
		"{1: {2: {}}}",
		`id.matches("(a{1000}){1000}")`, `id.matches("` + strings.Repeat("(.{9}", 40) + `")`, `[1].map(x, [x].map(y, [y]))`,
		`"a".replace("", "bbbb").replace("", "bbbb").replace("", "bbbb") == ""`, `ip_in("", "")`, `ip_in("::%x", "::%x")`,
		`google.protobuf.Any{} == 1`, `type(type(1)) == type`, `labels.all(labels, labels == labels)`,
		`closed_at.getHours("../../etc/passwd") == 1`, `[1, 2].all(i, i > 0, 3)`, `has(has(a.b))`,
		`9223372036854775807 + 1 > 0`,
		`-9223372036854775808 / -1 == 0`, `duration("99999999999h") > age`,
		`timestamp("9999-12-31T23:59:59Z") + age > closed_at`,
	} {
		f.Add(seed)
	}
	for _, seed := range freeNames {
		f.Add(seed)
	}
	for _, seed := range unknownNames {
		f.Add(seed.expr)
	}
	infos := []*event.Connection{open(), closed(), unix(), mapped(), nil, {}}
	f.Fuzz(func(t *testing.T, expr string) {
		filter, err := Compile(expr)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Message == "" || strings.Contains(err.Error(), "\n") {
				t.Fatalf("Compile(%q): %#v", expr, err)
			}
			return
		}
		if filter.String() != expr {
			t.Fatalf("String() is %q, not %q", filter, expr)
		}
		for _, info := range infos {
			filter.MatchAt(info, noon)
		}
	})
}
