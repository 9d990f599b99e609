package filter

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

const (
	states  = "; expected OPEN, HALF_CLOSED_REMOTE, HALF_CLOSED_LOCAL, CLOSING or CLOSED"
	reasons = "; expected UNSPECIFIED, PEER_CLOSED, PEER_RESET, IO_ERROR, IDLE_TIMEOUT, SLOW_CONSUMER, KICKED, " +
		"SHUTDOWN, HANDLER, HANDLER_PANIC, CONNECTION_LIMIT, LISTENER_LIMIT, IP_LIMIT, ACCEPT_RATE, " +
		"IP_ACCEPT_RATE, DENIED, BANNED, PROXY_HEADER, PROXY_TIMEOUT, PROXY_UNTRUSTED, TLS_HANDSHAKE, " +
		"TLS_TIMEOUT, HANDSHAKE_LIMIT, FIRST_BYTE_TIMEOUT, QUEUE_BUDGET, FRAME, " +
		"HANDLER_UNAVAILABLE, HANDLER_TIMEOUT or HANDLER_FAILED"
)

// unknownNames are comparisons with a constant that is none of the names, and the error about each.
var unknownNames = []struct {
	expr         string
	line, column int
	message      string
}{
	{`state == "open"`, 1, 10, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`state == "CONNECTION_STATE_OPEN"`, 1, 10, `"CONNECTION_STATE_OPEN" is no state` + states + `; did you mean "OPEN"?`},
	{`state == "connection_state_closing"`, 1, 10,
		`"connection_state_closing" is no state` + states + `; did you mean "CLOSING"?`},
	{`state != 'Closed'`, 1, 10, `"Closed" is no state` + states + `; did you mean "CLOSED"?`},
	{`"OPENED" == state`, 1, 1, `"OPENED" is no state` + states + `; did you mean "OPEN"?`},
	{`"x" != state`, 1, 1, `"x" is no state` + states},
	{`state == ""`, 1, 10, `"" is no state` + states},
	{`state == "half-closed-remote"`, 1, 10,
		`"half-closed-remote" is no state` + states + `; did you mean "HALF_CLOSED_REMOTE"?`},
	{`state == "HALF_CLOSED"`, 1, 10, `"HALF_CLOSED" is no state` + states},
	{`state == "UNSPECIFIED"`, 1, 10, `"UNSPECIFIED" is no state` + states},
	{`state == "CONNECTION_STATE_UNSPECIFIED"`, 1, 10, `"CONNECTION_STATE_UNSPECIFIED" is no state` + states},
	{`state == "KICKED"`, 1, 10, `"KICKED" is no state` + states},
	{`close_reason == "KICK"`, 1, 17, `"KICK" is no close reason` + reasons + `; did you mean "KICKED"?`},
	{`close_reason == "CLOSE_REASON_UNSPECIFIED"`, 1, 17,
		`"CLOSE_REASON_UNSPECIFIED" is no close reason` + reasons + `; did you mean "UNSPECIFIED"?`},
	{`close_reason != "Close_Reason_Idle"`, 1, 17,
		`"Close_Reason_Idle" is no close reason` + reasons + `; did you mean "IDLE_TIMEOUT"?`},
	{`close_reason == "CLOSED"`, 1, 17, `"CLOSED" is no close reason` + reasons},
	{`close_reason == ""`, 1, 17, `"" is no close reason` + reasons},
	// lists
	{`state in ["OPEN", "closed"]`, 1, 19, `"closed" is no state` + states + `; did you mean "CLOSED"?`},
	{`state in [node, "open", "closed"]`, 1, 17, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`close_reason in ["KICKED", "UNSPECIFIED", "PANIC"]`, 1, 43, `"PANIC" is no close reason` + reasons},
	{`"open" in [state]`, 1, 1, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`"kicked" in [state, close_reason]`, 1, 1, `"kicked" is no state` + states},
	// larger expressions
	{"read_paused &&\n  !(idle > age || state == \"open\")", 2, 28,
		`"open" is no state` + states + `; did you mean "OPEN"?`},
	{`labels["é"] == "7" && (state) == ("open")`, 1, 35, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`read_paused ? close_reason == "KICK" : true`, 1, 31,
		`"KICK" is no close reason` + reasons + `; did you mean "KICKED"?`},
	{`labels.exists(k, state == "open" && k == node)`, 1, 27, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`labels.map(k, state in ["open"]).size() == 1`, 1, 25, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`[state == "open"].all(state, state)`, 1, 11, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`["x"].exists(state, .state == "open")`, 1, 31, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`.state == "open"`, 1, 11, `"open" is no state` + states + `; did you mean "OPEN"?`},
	{`(state == "open") == (close_reason != "KICK")`, 1, 11,
		`"open" is no state` + states + `; did you mean "OPEN"? (and 1 more)`},
	{`state == "` + strings.Repeat("x", 1000) + `"`, 1, 10,
		`"` + strings.Repeat("x", maxQuoted) + `"… is no state` + states},
	{`state == "` + strings.Repeat(`\x00`, 1000) + `"`, 1, 10,
		`"` + strings.Repeat(`\x00`, maxQuoted) + `"… is no state` + states},
}

// freeNames are expressions that may have any constant.
var freeNames = []string{
	`state.startsWith("HALF")`, `state.matches("open|closed")`, `state.contains("x")`, `state.size() == 4`,
	`state < "open"`,
	`state.lowerAscii() == "open"`, `"open" == state.lowerAscii()`, `close_reason.endsWith("_PANIC")`,
	`state + "x" == "x"`,
	`state == node`, `close_reason == state`, `state in [node, id]`, `state in []`, `"open" in []`, `"open" in labels`,
	`has(labels.state)`, `labels.state == "open"`, `labels["close_reason"] == "KICK"`, `labels.close_reason in ["KICK"]`,
	`close_text == "KICK"`, `"KICK" in [close_reason, close_text]`, `"KICKED" in [state, close_reason]`,
	`["open"].exists(state, state == "open")`, `["x"].exists(state, ["y"].all(k, state in ["x", k]))`,
	`["x"].filter(state, state != "y").size() == 1`, `["x"].map(state, state == "x", state)[0] == "x"`,
	`["x"].exists_one(close_reason, "x" == close_reason)`,
}

func TestUnknownName(t *testing.T) {
	for _, test := range unknownNames {
		_, err := Compile(test.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Compile(%q): %v; want an *Error", test.expr, err)
			continue
		}
		if e.Line != test.line || e.Column != test.column || e.Message != test.message {
			t.Errorf("Compile(%q):\n got %d:%d: %s\nwant %d:%d: %s", test.expr, e.Line, e.Column, e.Message,
				test.line, test.column, test.message)
		}
	}
}

func TestFreeName(t *testing.T) {
	for _, expr := range freeNames {
		compiled(t, expr)
	}
}

// TestEveryName holds that every name compares with its own variable in every way, and that the package page lists it.
func TestEveryName(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for variable, count := range map[string]int{"state": 5, "close_reason": 29} {
		e := enums[variable]
		if len(e.names) != count {
			t.Errorf("%s has the names %q, want %d", variable, e.names, count)
		}
		_, rows, _ := strings.Cut(string(doc), "\n//\t"+variable+" ")
		for {
			row, rest, _ := strings.Cut(rows, "\n//\t")
			if !strings.HasPrefix(rest, "  ") {
				rows = row
				break
			}
			rows = row + rest
		}
		for _, name := range e.names {
			quoted := strconv.Quote(name)
			for _, expr := range []string{" == " + quoted, " != " + quoted, " in [" + quoted + "]"} {
				compiled(t, variable+expr)
			}
			compiled(t, quoted+" == "+variable)
			compiled(t, quoted+" in ["+variable+"]")
			if !strings.Contains(rows, quoted) {
				t.Errorf("doc.go does not list %s for %s", quoted, variable)
			}
		}
		if got := strings.Count(rows, `"`) / 2; got != count {
			t.Errorf("doc.go lists %d names for %s, want %d", got, variable, count)
		}
	}
}
