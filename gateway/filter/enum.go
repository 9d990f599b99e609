package filter

import (
	"errors"
	"fmt"
	"github.com/sockgate/sockgate/gateway/server"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// enum is a string variable that has one of a few names. A constant that is none of them would silently equal nothing.
type enum struct {
	noun  string
	names []string
}

// enums are these variables by name.
var enums = map[string]*enum{
	"state":        {"state", enumNames(server.FirstState, server.LastState)},
	"close_reason": {"close reason", enumNames(server.FirstReason, server.LastReason)},
}

// enumPrefixes are what the contract writes before the names.
var enumPrefixes = [...]string{"CONNECTION_STATE_", "CLOSE_REASON_"}

// enumNames returns the names of the values from first to last.
func enumNames[E interface {
	~uint8
	String() string
}](first, last E) []string {
	var names []string
	for e := first; e <= last; e++ {
		names = append(names, e.String())
	}
	return names
}

// checkEnum returns the constant in a comparison (==, != or `in` a list) that the enum compared with it can never equal.
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
			return nil, nil // `"x" in [close_reason, close_text]` can be true
		}
		if err == nil {
			err = e.unknown(s)
		}
	}
	return left, err
}

// enumOf returns the enum that an expression reads, or nil.
func enumOf(expr ast.Expr) *enum {
	if expr.Kind() != ast.IdentKind {
		return nil
	}
	// CEL keeps the dot of `.state` where a macro has a variable of this name.
	name, global := strings.CutPrefix(expr.AsIdent(), ".")
	e := enums[name]
	if node, ok := expr.(ast.NavigableExpr); e != nil && ok && !global && shadowed(node, name) {
		return nil
	}
	return e
}

// shadowed reports whether a name is, at a node, the variable of a macro: `["x"].exists(state, state == "x")`.
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

// unknown says that a constant is none of the names, and which one was probably meant.
func (e *enum) unknown(s string) error {
	quoted := fmt.Sprintf("%q", s)
	if start := clip(s, maxQuoted); start != s {
		quoted = fmt.Sprintf("%q…", start)
	}
	last := len(e.names) - 1
	message := fmt.Sprintf("%s is no %s; expected %s or %s", quoted, e.noun, strings.Join(e.names[:last], ", "), e.names[last])
	if near := e.nearest(s); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return errors.New(message)
}

// nearest returns the name that was probably meant, or "": without regard to case and to the contract's prefix, a similar
// one or the only one that begins so.
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
