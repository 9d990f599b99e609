package filter

import (
	"fmt"
	"net/netip"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// maxZones is the greatest number of time zones in an expression. CEL reads a file for each, here and at a match.
const maxZones = MaxCost / zoneCost

// constants checks the arguments that are, or must be, constants. Compile thus reports their faults with a position,
// and no match meets them.
type constants struct {
	faults   faults
	patterns patterns
	zones    int
}

// checkConstants returns an error about the faults of an expression's constants; nil when there are none.
func checkConstants(expr string, tree *ast.AST) *Error {
	var c constants
	calls := ast.MatchDescendants(ast.NavigateAST(tree), ast.KindMatcher(ast.CallKind))
	for _, node := range calls {
		call := node.AsCall()
		args := call.Args()
		if call.IsMemberFunction() {
			args = append([]ast.Expr{call.Target()}, args...)
		}
		if at, err := c.checkCall(call.FunctionName(), args); err != nil {
			c.faults.addAt(tree, at, err)
		}
	}
	return c.faults.refusal(expr)
}

// checkCall returns the faulty argument of a call and an error that says why. The target of a member call is args[0].
func (c *constants) checkCall(function string, args []ast.Expr) (ast.Expr, error) {
	switch function {
	case ipIn:
		return checkIPIn(args[0], args[1])
	case operators.Equals, operators.NotEquals, operators.In:
		return checkEnum(function, args[0], args[1])
	case overloads.Matches:
		return args[1], c.patterns.check(args[1])
	case overloads.TypeConvertDuration:
		return args[0], checkConversion(function, args[0], types.DurationType)
	case overloads.TypeConvertTimestamp:
		return args[0], checkConversion(function, args[0], types.TimestampType)
	case "format", "strings.quote":
		// The length of their output has no useful bound, and no filter needs them.
		return args[0], fmt.Errorf("%s is not available in filters", function)
	}
	if zoned[function] && len(args) == 2 {
		return args[1], c.checkZone(function, args[1])
	}
	return nil, nil
}

// checkConversion refuses a constant that is no duration or no timestamp.
func checkConversion(function string, arg ast.Expr, t ref.Type) error {
	if arg.Kind() == ast.LiteralKind && types.IsError(arg.AsLiteral().ConvertToType(t)) {
		return fmt.Errorf("invalid %s argument", function)
	}
	return nil
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
func (c *constants) checkZone(function string, arg ast.Expr) error {
	s, ok := literal(arg)
	if !ok {
		return fmt.Errorf("the time zone must be a string constant")
	}
	if c.zones++; c.zones > maxZones {
		return fmt.Errorf("the time zones are too costly together: %d are named; at most %d are allowed", c.zones, maxZones)
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
