package filter

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// MaxCost is the greatest estimate of an expression's worst case, in CEL's units. In BenchmarkLargest a unit of a
// costly expression took up to 40 ns, so a match takes about 100 µs at most. A few kinds of units take longer, such as
// formatting an address, but MaxLength bounds expressions of these.
const MaxCost = 4000

// The costs of calls in CEL's units, where CEL's own figures are far from the real time.
const (
	networkCost = 5   // parsing an address, and a network that is not a constant
	zoneCost    = 200 // reading the file of a time zone
	convertCost = 5   // formatting a number or a time
	readCost    = 0.3 // a byte of a text that is no timestamp; Go's error quotes it
	nestedCost  = 100 // comparing two maps, or two lists in a list
	stepCost    = 0.2 // a step of a pattern, for each character of the text
)

// bound refuses an expression whose worst case is too much work for one match.
func bound(env *cel.Env, tree *ast.AST, expr string) *Error {
	estimate, err := estimateCost(env, tree)
	if err != nil {
		return wholeError(expr, oneSentence(err.Error()))
	}
	if estimate.Max > MaxCost {
		worst := fmt.Sprint(estimate.Max)
		if estimate.Max >= 1<<53 {
			worst = "unbounded"
		}
		return wholeError(expr, fmt.Sprintf("the expression is too costly: "+
			"its worst case is estimated at %s units; at most %d are allowed", worst, MaxCost))
	}
	return nil
}

// holders are values of cel.Ast, which EstimateCost takes. CEL makes one only by its default parser.
var holders = sync.Pool{New: func() any {
	env, _ := environment() // no frontend without it
	holder, _ := env.Parse("true")
	return holder
}}

// estimateCost estimates the cost of one match.
func estimateCost(env *cel.Env, tree *ast.AST) (cost.Estimate, error) {
	holder := holders.Get().(*cel.Ast)
	defer holders.Put(holder)
	*holder.NativeRep() = *tree
	defer func() { *holder.NativeRep() = ast.AST{} }()
	return env.EstimateCost(holder, estimator{})
}

// estimator tells CEL how large values can be and how much calls cost.
type estimator struct{}

// EstimateSize returns the size of a variable, or of a label's key or value; nil for everything else.
func (estimator) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	v, ok := byName[path[0]]
	switch {
	case !ok:
		return nil
	case v.name == labelsName && len(path) == 1:
		key, value := cost.RangedSizeEstimate(0, maxLabelKey), cost.RangedSizeEstimate(0, maxLabelValue)
		return new(cost.MapSizeEstimate(cost.RangedSizeEstimate(0, maxLabels), key, value))
	case v.name == labelsName && path[1] == "@keys":
		return new(cost.RangedSizeEstimate(0, maxLabelKey))
	case v.name == labelsName:
		return new(cost.RangedSizeEstimate(0, maxLabelValue))
	case v.typ == types.StringType:
		return new(cost.RangedSizeEstimate(0, v.size))
	}
	return nil
}

// EstimateCallCost returns the cost of a call that CEL does not know or underrates; nil for any other.
func (e estimator) EstimateCallCost(
	function, overload string, target *cost.AstNode, args []cost.AstNode,
) *cost.CallEstimate {
	if target != nil {
		args = append([]cost.AstNode{*target}, args...)
	}
	switch {
	case function == ipIn:
		return cost.NewCallEstimate(cost.FixedCostEstimate(networkCost), nil)
	case function == overloads.Matches && len(args) == 2:
		return e.matchCost(args[0], args[1])
	case len(args) == 2 && (function == operators.Equals || function == operators.NotEquals):
		return e.compareCost(args[0])
	case function == operators.In && len(args) == 2 && args[1].Type().Kind() == types.ListKind:
		return e.compareCost(args[1])
	case zoned[function] && len(args) == 2:
		return cost.NewCallEstimate(cost.FixedCostEstimate(zoneCost), nil)
	}
	switch overload {
	case overloads.StringToTimestamp:
		length := cost.EstimateSize(e, args[0])
		most := cost.SafeAdd(convertCost, cost.SafeMultiplyByFactor(length.Max, readCost))
		return cost.NewCallEstimate(cost.RangedCostEstimate(1, most), nil)
	case overloads.BoolToString, overloads.IntToString, overloads.UintToString, overloads.DoubleToString,
		overloads.TimestampToString, overloads.DurationToString:
		return cost.NewCallEstimate(cost.FixedCostEstimate(convertCost), new(cost.RangedSizeEstimate(1, 64)))
	}
	return nil
}

// compareCost returns the cost of comparing a value that has parts, or nil when CEL's own figure is right.
func (e estimator) compareCost(value cost.AstNode) *cost.CallEstimate {
	parts := uint64(1)
	t := value.Type()
	if t.Kind() == types.ListKind {
		parts, t = cost.EstimateSize(e, value).Max, t.Parameters()[0]
	}
	switch t.Kind() {
	case types.ListKind, types.MapKind, types.DynKind, types.StructKind:
		return cost.NewCallEstimate(cost.RangedCostEstimate(1, cost.SafeMultiply(parts, nestedCost)), nil)
	}
	return nil
}

// matchCost returns the cost of a pattern. Go's worst case is the number of the pattern's steps for each character of
// the text.
func (e estimator) matchCost(text, pattern cost.AstNode) *cost.CallEstimate {
	s, _ := literal(pattern.Expr())
	size, err := patternSize(s)
	if err != nil {
		return nil
	}
	length := cost.EstimateSize(e, text)
	length.Max = cost.SafeAdd(length.Max, 1)
	most := cost.SafeMultiplyByFactor(cost.SafeMultiply(length.Max, size), stepCost)
	return cost.NewCallEstimate(cost.RangedCostEstimate(1, most), nil)
}
