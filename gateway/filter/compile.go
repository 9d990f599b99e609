package filter

import (
	"fmt"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// MaxLength is the greatest length of an expression, in bytes.
const MaxLength = 4096

// compile makes a filter of an expression that is not empty.
func compile(expr string) (f *Filter, err error) {
	defer func() {
		// Expressions come from outside, and CEL panics over some (`{b"": 1} == {}`). CEL itself recovers only at
		// matches.
		if r := recover(); r != nil {
			f, err = nil, wholeError(expr, oneSentence(fmt.Sprintf("CEL cannot handle the expression: %v", r)))
		}
	}()
	if len(expr) > MaxLength {
		return nil, wholeError(expr, fmt.Sprintf("the expression has %d bytes; at most %d are allowed", len(expr), MaxLength))
	}
	if !utf8.ValidString(expr) {
		return nil, wholeError(expr, "the expression is not valid UTF-8")
	}
	env, err := environment()
	if err != nil {
		return nil, wholeError(expr, oneSentence(err.Error()))
	}
	checked, issues := env.Compile(expr)
	if issues.Err() != nil {
		return nil, issueError(expr, issues)
	}
	if t := checked.OutputType(); !t.IsExactType(types.BoolType) {
		return nil, wholeError(expr, fmt.Sprintf("the expression is of type %s; a filter must be a bool",
			cel.FormatCELType(t)))
	}
	if err := bound(env, checked, expr); err != nil {
		return nil, err
	}
	return plan(env, checked, expr)
}

// plan makes the filter of a checked expression.
func plan(env *cel.Env, checked *cel.Ast, expr string) (*Filter, error) {
	root := checked.NativeRep().Expr()
	if root.Kind() == ast.LiteralKind {
		return &Filter{source: expr, never: root.AsLiteral() != types.True}, nil
	}
	// The estimate bounds the cost of the expression. Counting it again at each match would take as long as matching.
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(fixNetworks))
	if err != nil {
		return nil, wholeError(expr, oneSentence(err.Error()))
	}
	return &Filter{source: expr, program: program}, nil
}
