package filter

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/sockgate/sockgate/gateway/event"
)

// enum is a string variable with a fixed set of values. A comparison with any other constant would silently match
// nothing, so Compile refuses it.
type enum struct {
	noun  string // for messages
	names []string
}

// enums are the enum variables by name.
var enums = map[string]*enum{
	"state":        {"state", enumNames(event.States())},
	"close_reason": {"close reason", enumNames(event.Reasons())},
}

// enumPrefixes are the prefixes of the names in the contract.
var enumPrefixes = [...]string{"CONNECTION_STATE_", "CLOSE_REASON_"}

// enumNames returns the names of an enum's values.
func enumNames[E fmt.Stringer](all iter.Seq[E]) []string {
	var names []string
	for e := range all {
		names = append(names, e.String())
	}
	return names
}

// checkEnum returns the first constant in a comparison (==, != or `in` a list) that no value of the enum beside it can
// equal, and an error that says so; nil when there is none.
func checkEnum(function string, left, right ast.Expr) (ast.Expr, error) {
	others := []ast.Expr{right}
	if function == operators.In {
		if right.Kind() != ast.ListKind {
			return nil, nil
		}
		others = right.AsList().Elements()
	}
	if e := enumOf(left); e != nil {
		for _, other := range others {
			if s, ok := literal(other); ok && !e.has(s) {
				return other, e.unknown(s)
			}
		}
		return nil, nil
	}
	s, ok := literal(left)
	if !ok {
		return nil, nil
	}
	var err error
	for _, other := range others {
		e := enumOf(other)
		if e == nil || e.has(s) {
			return nil, nil // one element can equal it: `"x" in [close_reason, close_text]`
		}
		if err == nil {
			err = e.unknown(s)
		}
	}
	return left, err
}

// enumOf returns the enum that an expression reads; nil when it reads none.
func enumOf(expr ast.Expr) *enum {
	if expr.Kind() != ast.IdentKind {
		return nil
	}
	// CEL keeps the dot of `.state` where a macro has a variable of the same name.
	name, global := strings.CutPrefix(expr.AsIdent(), ".")
	e := enums[name]
	if node, ok := expr.(ast.NavigableExpr); e != nil && ok && !global && shadowed(node, name) {
		return nil
	}
	return e
}

// shadowed reports whether a macro around a node declares the name, as in `["x"].exists(state, state == "x")`.
func shadowed(node ast.NavigableExpr, name string) bool {
	for {
		parent, ok := node.Parent()
		if !ok {
			return false
		}
		if parent.Kind() == ast.ComprehensionKind {
			c := parent.AsComprehension()
			inside := node.ID() == c.LoopCondition().ID() || node.ID() == c.LoopStep().ID()
			if inside && (c.IterVar() == name || c.IterVar2() == name) {
				return true
			}
		}
		node = parent
	}
}

func (e *enum) has(s string) bool { return slices.Contains(e.names, s) }

// unknownName says that a constant is not one of an enum's names. Only the error that a caller sees is written.
type unknownName struct {
	*enum
	name string
}

// unknown returns an error that says that a constant is not one of the names.
func (e *enum) unknown(s string) error { return unknownName{e, s} }

// Error suggests the nearest name.
func (u unknownName) Error() string {
	e, s := u.enum, u.name
	quoted := fmt.Sprintf("%q", s)
	if start := clip(s, maxQuoted); start != s {
		quoted = fmt.Sprintf("%q…", start)
	}
	last := len(e.names) - 1
	message := fmt.Sprintf("%s is no %s; expected %s or %s", quoted, e.noun, strings.Join(e.names[:last], ", "),
		e.names[last])
	if near := e.nearest(s); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return message
}

// nearest returns the name that the operator probably meant: a similar one, or the only one that begins with s. It
// ignores case and the contract's prefix, and returns "" when no name is near.
func (e *enum) nearest(s string) string {
	s = strings.ToUpper(s)
	for _, prefix := range enumPrefixes {
		s = strings.TrimPrefix(s, prefix)
	}
	if near := nearest(s, e.names); near != "" {
		return near
	}
	var longer []string
	for _, name := range e.names {
		if strings.HasPrefix(name, s) {
			longer = append(longer, name)
		}
	}
	if len(longer) == 1 {
		return longer[0]
	}
	return ""
}
