package filter

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/parser"
)

// The bounds of parsing. They keep the work that a hostile expression causes in proportion to its 4,096 bytes.
const (
	maxDepth = 64   // levels of nesting
	maxNodes = 2048 // nodes of the syntax tree after macros are expanded
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
		ext.Strings(ext.StringsVersion(5)),
		ipInFunction(),
	}
	for i := range variables {
		options = append(options, cel.Variable(variables[i].name, variables[i].typ))
	}
	return cel.NewEnv(options...)
})

// frontend is the part of CEL that reads expressions. Compile drives it by its parts: cel.Env.Compile would write each
// error out with a copy of the whole line, plan a program for each constant and search all names for suggestions.
type frontend struct {
	env     *cel.Env
	parser  *parser.Parser
	checker *checker.Env
	depths  map[string]resultDepth
}

// newFrontend returns the parts of the environment. The first Compile makes them.
var newFrontend = sync.OnceValues(func() (*frontend, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	p, err := parser.NewParser(
		// The default parser takes about ten times as long, and keeps a table that grows with the expressions it reads.
		parser.EnablePrattParser(true),
		parser.Macros(env.Macros()...),
		parser.MaxRecursionDepth(maxDepth),
		parser.ErrorRecoveryLimit(4),
		parser.ExpressionSizeCodePointLimit(MaxLength),
		parser.MaxExpressionNodeCount(maxNodes),
	)
	if err != nil {
		return nil, err
	}
	c, err := newChecker(env)
	if err != nil {
		return nil, err
	}
	return &frontend{env: env, parser: p, checker: c, depths: resultDepths(env)}, nil
})

func newChecker(env *cel.Env) (*checker.Env, error) {
	c, err := checker.NewEnv(env.Container, env.CELTypeProvider(), checker.CrossTypeNumericComparisons(true))
	if err != nil {
		return nil, err
	}
	if err := c.AddIdents(env.Variables()...); err != nil {
		return nil, err
	}
	for _, function := range env.Functions() {
		if function.IsDeclarationDisabled() {
			continue
		}
		if err := c.AddFunctions(function); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// expandHas makes has(labels.room) mean `"room" in labels`. CEL's own has() would read the label, and reading a label
// that is not set succeeds.
func expandHas(factory cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	if args[0].Kind() != ast.SelectKind {
		return nil, factory.NewError(args[0].ID(), "has() takes a label, as in has(labels.room)")
	}
	label := args[0].AsSelect()
	return factory.NewCall(operators.In, factory.NewLiteral(types.String(label.FieldName())), label.Operand()), nil
}
