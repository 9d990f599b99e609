package filter

import (
	"fmt"
	"net/netip"
	"regexp"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// constants checks the arguments that are, or must be, constants. Compile thus reports their faults with a position,
// and no match meets them.
type constants struct{}

// Name returns the validator's name in CEL.
func (constants) Name() string { return "sockgate.constants" }

// Validate reports the faults of an expression's constants.
func (constants) Validate(_ *cel.Env, _ cel.ValidatorConfig, tree *ast.AST, issues *cel.Issues) {
	calls := ast.MatchDescendants(ast.NavigateAST(tree), ast.KindMatcher(ast.CallKind))
	for _, node := range calls {
		call := node.AsCall()
		args := call.Args()
		if call.IsMemberFunction() {
			args = append([]ast.Expr{call.Target()}, args...)
		}
		if at, err := checkCall(call.FunctionName(), args); err != nil {
			issues.ReportErrorAtID(at.ID(), "%s", err.Error())
		}
	}
}

// checkCall returns the faulty argument of a call and an error that says why. The target of a member call is args[0].
func checkCall(function string, args []ast.Expr) (ast.Expr, error) {
	switch function {
	case ipIn:
		return checkIPIn(args[0], args[1])
	case operators.Equals, operators.NotEquals, operators.In:
		return checkEnum(function, args[0], args[1])
	case overloads.Matches:
		return args[1], checkPattern(args[1])
	case "format", "strings.quote":
		// The length of their output has no useful bound, and no filter needs them.
		return args[0], fmt.Errorf("%s is not available in filters", function)
	}
	if zoned[function] && len(args) == 2 {
		return args[1], checkZone(function, args[1])
	}
	return nil, nil
}

func checkIPIn(ip, network ast.Expr) (ast.Expr, error) {
	if s, ok := literal(ip); ok && s != "" {
		if _, err := netip.ParseAddr(s); err != nil {
			return ip, fmt.Errorf("%q is not an IP address", s)
		}
	}
	if s, ok := literal(network); ok {
		_, err := parseNetwork(s)
		return network, err
	}
	return nil, nil
}

// checkPattern requires a constant, because compiling a pattern at each match would cost more than the rest of the
// match.
func checkPattern(arg ast.Expr) error {
	s, ok := literal(arg)
	if !ok {
		return fmt.Errorf("the pattern of matches must be a string constant")
	}
	size, err := patternSize(s)
	if err != nil {
		return fmt.Errorf("invalid pattern: %s", oneSentence(err.Error()))
	}
	if size > maxPattern {
		return fmt.Errorf("the pattern is too large: %d steps; at most %d are allowed", size, maxPattern)
	}
	if _, err := regexp.Compile(s); err != nil {
		return fmt.Errorf("invalid pattern: %s", oneSentence(err.Error()))
	}
	return nil
}

// zoned has the methods of timestamps that can take a time zone.
var zoned = map[string]bool{
	overloads.TimeGetFullYear:     true,
	overloads.TimeGetMonth:        true,
	overloads.TimeGetDayOfYear:    true,
	overloads.TimeGetDate:         true,
	overloads.TimeGetDayOfMonth:   true,
	overloads.TimeGetDayOfWeek:    true,
	overloads.TimeGetHours:        true,
	overloads.TimeGetMinutes:      true,
	overloads.TimeGetSeconds:      true,
	overloads.TimeGetMilliseconds: true,
}

// checkZone requires a constant, because CEL reads a file for each use of a zone's name.
func checkZone(function string, arg ast.Expr) error {
	s, ok := literal(arg)
	if !ok {
		return fmt.Errorf("the time zone must be a string constant")
	}
	out := types.Timestamp{}.Receive(function, "", []ref.Val{types.String(s)})
	if types.IsError(out) {
		return fmt.Errorf("unknown time zone %q", s)
	}
	return nil
}

// literal returns the value of a string constant, and whether e is one.
func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}
