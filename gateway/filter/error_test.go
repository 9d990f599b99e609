package filter

import (
	"errors"
	"strings"
	"testing"
)

func TestCompileError(t *testing.T) {
	const all = "the variables are id, node, listener, remote_address, remote_ip, remote_port, local_address, local_ip, " +
		"local_port, connected_at, last_active_at, closed_at, age, idle, bytes_received, bytes_sent, queued_bytes, " +
		"read_paused, state, close_reason, close_text, closed_by, tls_version, tls_cipher, tls_protocol, tls_server_name, " +
		"peer_identity, proxy_address, proxy_ip, handler_instance, unacknowledged_bytes, labels"
	tests := []struct{ expr, want string }{
		// syntax
		{`foo ==`, `filter "foo ==": 1:7: Syntax error: mismatched input '<EOF>'`},
		{` `, `filter " ": 1:2: Syntax error: mismatched input '<EOF>'`},
		{"read_paused &&\n  ==", `filter "read_paused &&\n  ==": 2:3: Syntax error: mismatched input '==' (and 1 more)`},
		{`x ? 1`, `filter "x ? 1": 1:6: Syntax error: mismatched input '<EOF>' expecting ':'`},
		{`labels.room = 7`, `filter "labels.room = 7": 1:13: Syntax error: token recognition error at: '= ' (and 1 more)`},
		// names
		{`bytes_recieved > 1`,
			`filter "bytes_recieved > 1": 1:1: undeclared reference to 'bytes_recieved'; did you mean bytes_received?`},
		{`true && idel > age`, `filter "true && idel > age": 1:9: undeclared reference to 'idel'; did you mean idle?`},
		{`foo`, `filter "foo": 1:1: undeclared reference to 'foo'; ` + all},
		{`a.b == 1 || c`, `filter "a.b == 1 || c": 1:1: undeclared reference to 'a'; ` + all + ` (and 1 more)`},
		{`ipin(remote_ip, "::")`, `filter "ipin(remote_ip, \"::\")": 1:5: there is no function 'ipin'; did you mean ip_in?`},
		{`id.foo()`, `filter "id.foo()": 1:7: there is no function 'foo'`},
		// types
		{`remote_ip`, `filter "remote_ip": 1:1: the expression is of type string; a filter must be a bool`},
		{`labels`, `filter "labels": 1:1: the expression is of type map(string, string); a filter must be a bool`},
		{`dyn(true)`, `filter "dyn(true)": 1:1: the expression is of type dyn; a filter must be a bool`},
		{`remote_port == "1"`,
			`filter "remote_port == \"1\"": 1:13: found no matching overload for '==' applied to '(int, string)'`},
		{`"é" == 1`, `filter "\"é\" == 1": 1:5: found no matching overload for '==' applied to '(string, int)'`},
		{`labels[1] == ""`,
			`filter "labels[1] == \"\"": 1:7: found no matching overload for '[]' applied to '(map(string, string), int)'`},
		{`has(id.x)`, `filter "has(id.x)": 1:4: found no matching overload for 'in' applied to '(string, string)'`},
		{`has(labels)`, `filter "has(labels)": 1:5: has() takes a label, as in has(labels.room)`},
		// constants
		{`ip_in(remote_ip, "10/8")`, `filter "ip_in(remote_ip, \"10/8\")": 1:18: "10/8" is not a CIDR prefix`},
		{"ip_in(remote_ip,\n \"10.0.0.300\")",
			`filter "ip_in(remote_ip,\n \"10.0.0.300\")": 2:2: "10.0.0.300" is neither an IP address nor a CIDR prefix`},
		{`ip_in("10.0.0.0/8", remote_ip)`,
			`filter "ip_in(\"10.0.0.0/8\", remote_ip)": 1:7: "10.0.0.0/8" is not an IP address`},
		{`idle > duration("5x")`, `filter "idle > duration(\"5x\")": 1:17: invalid duration argument`},
		{`closed_at > timestamp("2026")`, `filter "closed_at > timestamp(\"2026\")": 1:23: invalid timestamp argument`},
		{`id.matches("(")`,
			"filter \"id.matches(\\\"(\\\")\": 1:12: invalid pattern: error parsing regexp: missing closing ): `(`"},
		{`matches(id, "(")`,
			"filter \"matches(id, \\\"(\\\")\": 1:13: invalid pattern: error parsing regexp: missing closing ): `(`"},
		{`id.matches(node)`, `filter "id.matches(node)": 1:12: the pattern of matches must be a string constant`},
		{`id.matches("(a{900}b{900})+")`,
			`filter "id.matches(\"(a{900}b{900})+\")": 1:12: the pattern is too large: 3603 steps; at most 1000 are allowed`},
		{`closed_at.getHours("Mars") == 1`, `filter "closed_at.getHours(\"Mars\") == 1": 1:20: unknown time zone "Mars"`},
		{`closed_at.getHours("+99:00") == 1`,
			`filter "closed_at.getHours(\"+99:00\") == 1": 1:20: unknown time zone "+99:00"`},
		{`closed_at.getHours(node) == 1`,
			`filter "closed_at.getHours(node) == 1": 1:20: the time zone must be a string constant`},
		{`id.format([]) == ""`, `filter "id.format([]) == \"\"": 1:1: format is not available in filters`},
		{`{b"": 1} == {}`,
			`filter "{b\"\": 1} == {}": 1:1: ` +
				`CEL cannot handle the expression: runtime error: hash of unhashable type types.Bytes`},
		// bounds
		{`close_text.contains(closed_by) && labels.all(k, labels.all(j, labels[k] != labels[j] + "x"))`,
			`filter "close_text.contains(closed_by) && labels.all(k, labels.all(j, labels[k] != label"…: 1:1: ` +
				`the expression is too costly: its worst case is estimated at 18322 units; at most 4000 are allowed`},
		{strings.Repeat("(", 65),
			`filter "` + strings.Repeat("(", 80-15) + `": 1:1: expression recursion limit exceeded: 64`},
		{"true" + strings.Repeat(" ", 4093), `filter "true` + strings.Repeat(" ", 76) +
			`"…: 1:1: the expression has 4097 bytes; at most 4096 are allowed`},
		{"\"\xff\" == id", `filter "\"\xff\" == id": 1:1: the expression is not valid UTF-8`},
	}
	for _, test := range tests {
		f, err := Compile(test.expr)
		var e *Error
		if f != nil || !errors.As(err, &e) {
			t.Errorf("Compile(%q) = %v, %v; want an *Error", test.expr, f, err)
			continue
		}
		if err.Error() != test.want {
			t.Errorf("Compile(%q):\n got %s\nwant %s", test.expr, err, test.want)
		}
		if e.Expr != test.expr {
			t.Errorf("Expr is %q, want %q", e.Expr, test.expr)
		}
	}
}

func TestErrorQuotesWholeRunes(t *testing.T) {
	e := &Error{Expr: strings.Repeat("a", maxQuoted-1) + "é", Line: 1, Column: 2, Message: "no"}
	if want := `filter "` + strings.Repeat("a", maxQuoted-1) + `"…: 1:2: no`; e.Error() != want {
		t.Errorf("got %s, want %s", e, want)
	}
}

func TestErrorIsShort(t *testing.T) {
	for _, expr := range []string{strings.Repeat("x", MaxLength), "`" + strings.Repeat("é", 2000),
		strings.Repeat("u && ", 800) + "u", strings.Repeat("[", 60) + strings.Repeat("]", 60),
		`"` + strings.Repeat("z", 4000) + `".getHours()`} {
		if _, err := Compile(expr); err == nil || len(err.Error()) > maxQuoted+maxMessage+100 {
			t.Errorf("Compile(%.20s…): %v", expr, err)
		}
	}
}
