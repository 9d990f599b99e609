package filter

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

// The bounds of parsing. They keep the work that a hostile expression causes in proportion to its 4,096 bytes.
const (
	maxDepth = 64   // levels of nesting
	maxNodes = 4096 // nodes of the syntax tree after macros are expanded
)

// environment returns the declarations that expressions are checked against. The first Compile makes them.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserExpressionSizeLimit(MaxLength),
		cel.ParserErrorRecoveryLimit(4),
		cel.ExpressionNodeLimit(maxNodes),
		cel.CostModelVersion(1),
		cel.CrossTypeNumericComparisons(true),
		cel.Macros(cel.GlobalMacro(operators.Has, 1, expandHas)),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), constants{}),
		ext.Strings(ext.StringsVersion(5)),
		ipInFunction(),
	}
	for i := range variables {
		options = append(options, cel.Variable(variables[i].name, variables[i].typ))
	}
	return cel.NewEnv(options...)
})

// expandHas makes has(labels.room) mean `"room" in labels`. CEL's own has() would read the label, and reading a label
// that is not set succeeds.
func expandHas(factory cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	if args[0].Kind() != ast.SelectKind {
		return nil, factory.NewError(args[0].ID(), "has() takes a label, as in has(labels.room)")
	}
	label := args[0].AsSelect()
	return factory.NewCall(operators.In, factory.NewLiteral(types.String(label.FieldName())), label.Operand()), nil
}
