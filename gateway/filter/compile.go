package filter

import (
	"fmt"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
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
	front, err := newFrontend()
	if err != nil {
		return nil, wholeError(expr, oneSentence(err.Error()))
	}
	tree, refused := front.check(expr)
	if refused != nil {
		return nil, refused
	}
	return plan(front.env, tree, expr)
}

// check parses an expression, finds its types and applies every bound. The bounds come in the order of the work that
// they spare.
func (f *frontend) check(expr string) (*ast.AST, *Error) {
	source := newFlatSource(expr)
	parsed, errs := f.parser.Parse(source)
	if all := errs.GetErrors(); len(all) > 0 {
		return nil, f.syntaxError(expr, all)
	}
	if err := f.boundTypes(expr, parsed); err != nil {
		return nil, err
	}
	tree, errs := checker.Check(parsed, source, f.checker)
	if all := errs.GetErrors(); len(all) > 0 {
		return nil, listedFaults(all).refusal(expr)
	}
	if err := checkConstants(expr, tree); err != nil {
		return nil, err
	}
	if t := tree.GetType(tree.Expr().ID()); !t.IsExactType(types.BoolType) {
		return nil, wholeError(expr, fmt.Sprintf("the expression is of type %s; a filter must be a bool",
			cel.FormatCELType(t)))
	}
	return tree, bound(f.env, tree, expr)
}

// plan makes the filter of a checked expression.
func plan(env *cel.Env, tree *ast.AST, expr string) (*Filter, error) {
	root := tree.Expr()
	if root.Kind() == ast.LiteralKind {
		return &Filter{source: expr, never: root.AsLiteral() != types.True}, nil
	}
	// The estimate bounds the cost of the expression. Counting it again at each match would take as long as matching.
	program, err := env.PlanProgram(tree, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(fixNetworks))
	if err != nil {
		return nil, wholeError(expr, oneSentence(err.Error()))
	}
	return &Filter{source: expr, program: program}, nil
}
