package filter

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// resultDepth bounds the type of a function's result.
type resultDepth struct {
	levels  int  // of the result, without the arguments that it depends on
	generic bool // the result has the type of an argument in it
}

func (r resultDepth) of(args typeDepth) typeDepth {
	if !r.generic {
		return typeDepth{levels: max(r.levels, 1)}
	}
	return typeDepth{max(r.levels, r.levels+args.levels), args.open}
}

// resultDepths returns the bounds of all functions.
func resultDepths(env *cel.Env) map[string]resultDepth {
	depths := make(map[string]resultDepth)
	for name, function := range env.Functions() {
		var deepest resultDepth
		for _, overload := range function.OverloadDecls() {
			one := overloadDepth(overload.ResultType(), overload.ArgTypes())
			deepest = resultDepth{max(deepest.levels, one.levels), deepest.generic || one.generic}
		}
		depths[name] = deepest
	}
	return depths
}

func overloadDepth(result *cel.Type, args []*cel.Type) resultDepth {
	if !generic(result) {
		return resultDepth{levels: levelsOf(result)}
	}
	for _, arg := range args {
		if arg.IsExactType(result) {
			return resultDepth{generic: true} // such as list(A) + list(A)
		}
	}
	return resultDepth{levels: levelsOf(result) - 1, generic: true}
}

// levelsOf returns the levels of lists, maps and types in a type; 1 for a string.
func levelsOf(t *cel.Type) int {
	deepest := 0
	for _, parameter := range t.Parameters() {
		deepest = max(deepest, levelsOf(parameter))
	}
	return deepest + 1
}

func generic(t *cel.Type) bool {
	if t.Kind() == types.TypeParamKind {
		return true
	}
	for _, parameter := range t.Parameters() {
		if generic(parameter) {
			return true
		}
	}
	return false
}
