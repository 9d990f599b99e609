package filter

import (
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/sockgate/sockgate/gateway/server"
)

// A Filter goes wherever the server takes a Matcher.
var _ server.Matcher = (*Filter)(nil)

// Filter is a compiled expression that selects connections, a server.Matcher. It is immutable and safe for concurrent
// use. The zero value is the empty filter, which selects everything.
type Filter struct {
	source  string
	program cel.Program // nil when the answer is the same for every connection
	never   bool        // with a nil program: the expression is `false`
}

// Compile checks the expression and prepares it for matching. The empty string is a filter that matches everything, an
// Info of no connection included. An error is always an *Error.
func Compile(expr string) (*Filter, error) {
	if expr == "" {
		return &Filter{}, nil
	}
	return compile(expr)
}

// String returns the source, as it was given to Compile.
func (f *Filter) String() string { return f.source }

// Match reports whether the connection is selected, by the clock as it is now. An expression that fails on this connection
// (a division by zero) does not select it, and a filter that is not empty never selects an Info of no connection. Match
// does not block and keeps nothing of the Info.
func (f *Filter) Match(info *server.Info) bool { return f.MatchAt(info, time.Time{}) }

// MatchAt is Match by another clock, as server.Matcher has it: `age` and `idle` of an open connection count up to that moment.
// A walk over many connections that reads the clock once judges all of them by the same one. The zero time means that the
// clock is read when the expression asks for it.
func (f *Filter) MatchAt(info *server.Info, at time.Time) bool {
	switch {
	case f.source == "":
		return true
	case info == nil || info.Identity == nil:
		return false
	case f.program == nil:
		return !f.never
	}
	in := inputs.Get().(*input)
	in.info, in.now = info, at
	out, _, err := f.program.Eval(in)
	*in = input{}
	inputs.Put(in)
	return err == nil && out == types.True
}
