package filter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"
)

// grammar makes random expressions: of the variables, of every function of the environment by the types of its
// overloads, of macros and of constants. One part in wrong has a random type.
type grammar struct {
	*rand.Rand
	wrong int
	left  int      // parts that may still nest
	scope []string // variables of macros
}

// names are the types that expressions are made of.
var names = []*cel.Type{cel.BoolType, cel.IntType, cel.StringType, cel.DurationType, cel.TimestampType, cel.DoubleType,
	cel.UintType, cel.ListType(cel.StringType), cel.MapType(cel.StringType, cel.StringType)}

func (g *grammar) pick(of ...string) string { return of[g.IntN(len(of))] }

// expr returns an expression that has the type, unless it is to be wrong.
func (g *grammar) expr(t *cel.Type) string {
	if g.wrong > 0 && g.IntN(g.wrong) == 0 {
		t = names[g.IntN(len(names))]
	}
	if g.left--; g.left <= 0 || g.IntN(6) == 0 {
		return g.atom(t)
	}
	switch g.IntN(8) {
	case 0:
		return fmt.Sprintf("(%s ? %s : %s)", g.expr(cel.BoolType), g.expr(t), g.expr(t))
	case 1:
		return g.macro(t)
	}
	return g.call(t)
}

func (g *grammar) atom(t *cel.Type) string {
	switch t.Kind() {
	case types.ListKind:
		return g.pick(`[]`, `["a"]`, `[id, node]`, `id.split(".")`, `labels.map(k, k)`)
	case types.MapKind:
		return g.pick(`labels`, `{}`, `{"a": id}`)
	case types.DoubleKind:
		return g.pick("1.5", "double(bytes_sent)")
	case types.UintKind:
		return g.pick("1u", "uint(remote_port)")
	case types.BytesKind:
		return g.pick(`b""`, "bytes(id)")
	case types.TypeParamKind, types.DynKind:
		return g.atom(names[g.IntN(len(names))])
	}
	constants := map[string][]string{
		"bool":                      {"true", "false", "1 == 2"},
		"int":                       {"0", "1", "-9", "id.size()"},
		"string":                    {`""`, `"a"`, `"10.0.0.0/8"`, `"é"`, "labels.room", `labels["x"]`},
		"google.protobuf.Duration":  {`duration("1s")`},
		"google.protobuf.Timestamp": {`timestamp("2026-01-01T00:00:00Z")`},
	}
	of := slices.Clone(constants[t.DeclaredTypeName()])
	for i := range variables {
		if variables[i].typ.IsExactType(t) {
			of = append(of, variables[i].name)
		}
	}
	if t.Kind() == types.StringKind {
		of = append(of, g.scope...)
	}
	if len(of) == 0 {
		return "null"
	}
	return g.pick(of...)
}

func (g *grammar) macro(t *cel.Type) string {
	over := g.expr(names[len(names)-1-g.IntN(2)])
	name := g.pick("k", "x", "state", "labels")
	g.scope = append(g.scope, name)
	defer func() { g.scope = g.scope[:len(g.scope)-1] }()
	switch t.Kind() {
	case types.BoolKind:
		return fmt.Sprintf("%s.%s(%s, %s)", over, g.pick("all", "exists", "exists_one"), name, g.expr(cel.BoolType))
	case types.ListKind:
		if g.IntN(2) == 0 {
			return fmt.Sprintf("%s.filter(%s, %s)", over, name, g.expr(cel.BoolType))
		}
		return fmt.Sprintf("%s.map(%s, %s)", over, name, g.expr(t.Parameters()[0]))
	}
	return g.call(t)
}

// overloaded is an overload with the name of its function.
type overloaded struct {
	name string
	*decls.OverloadDecl
}

// overloads are all overloads, in a fixed order.
func allOverloads() []overloaded {
	env, _ := environment()
	var all []overloaded
	for name, function := range env.Functions() {
		for _, overload := range function.OverloadDecls() {
			all = append(all, overloaded{name, overload})
		}
	}
	slices.SortFunc(all, func(a, b overloaded) int { return strings.Compare(a.ID(), b.ID()) })
	return all
}

// call returns a call of a random overload with a result of the type.
func (g *grammar) call(t *cel.Type) string {
	all := allOverloads()
	for range 50 {
		o := all[g.IntN(len(all))]
		result := o.ResultType()
		if !result.IsExactType(t) && !(result.Kind() == types.TypeParamKind) {
			continue
		}
		var args []string
		for _, arg := range o.ArgTypes() {
			if arg.Kind() == types.TypeParamKind || generic(arg) {
				arg = t
			}
			args = append(args, g.expr(arg))
		}
		return written(o, args)
	}
	return g.atom(t)
}

// written returns a call as an expression has it.
func written(o overloaded, args []string) string {
	if symbol, ok := symbols[o.name]; ok {
		return fmt.Sprintf(symbol, anys(args)...)
	}
	if o.name == "matches" {
		args[1] = `"(a|b)*c"`
	}
	if zoned[o.name] && len(args) == 2 {
		args[1] = `"UTC"`
	}
	if o.IsMemberFunction() {
		return fmt.Sprintf("(%s).%s(%s)", args[0], o.name, strings.Join(args[1:], ", "))
	}
	return fmt.Sprintf("%s(%s)", o.name, strings.Join(args, ", "))
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

// symbols are the operators as expressions have them.
var symbols = map[string]string{
	"_?_:_": "(%s ? %s : %s)", "_&&_": "(%s && %s)", "_||_": "(%s || %s)", "!_": "!(%s)", "-_": "-(%s)",
	"_==_": "(%s == %s)", "_!=_": "(%s != %s)", "_<_": "(%s < %s)", "_<=_": "(%s <= %s)", "_>_": "(%s > %s)",
	"_>=_": "(%s >= %s)", "_+_": "(%s + %s)", "_-_": "(%s - %s)", "_*_": "(%s * %s)", "_/_": "(%s / %s)",
	"_%_": "(%s %% %s)", "_[_]": "(%s)[%s]", "@in": "(%s in %s)", "@not_strictly_false": "(%s)",
	"__not_strictly_false__": "(%s)", "_in_": "(%s in %s)", "in": "(%s in %s)",
}

// long returns an expression that repeats a random one in a random way until it is about as long as it may be.
func (g *grammar) long() string {
	unit := g.expr(cel.BoolType)
	var expr string
	switch g.IntN(4) {
	case 0:
		return unit
	case 1:
		expr = filled("[", unit, ",", "].all(x, x)")
	case 2:
		expr = filled("", "("+unit+")", g.pick("||", "&&", "==", "!=", "\n||\n"), "")
	default:
		expr = filled("(", unit+"?true:", "", "true)")
	}
	return expr[:min(len(expr), MaxLength)]
}
