package filter

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"
)

// The bounds of types. CEL's checker copies and prints the type of each part several times, and a type can double with
// each macro: `[1].map(x, {x: x}).map(x, {x: x})…` has types of 2^n names.
const (
	maxTypeDepth = 8    // levels of lists and maps in a type
	maxLevels    = 2560 // levels of the types of all parts together; a string, a number or a bool is one
	maxKeyDepth  = 3    // levels of a map's key. Types then grow by levels and cannot double
	openDepth    = 4    // levels that the element of an empty list or map may turn out to have; it can thus be no key
	maxMacros    = 8    // macros in each other's bodies
	maxNames     = 8    // names that dots join; CEL's checker looks up each prefix of each prefix
	maxArguments = 8    // arguments of a call; no function takes as many
)

// boundTypes refuses an expression whose tree or types could be too much work for CEL's checker.
func (f *frontend) boundTypes(expr string, tree *ast.AST) *Error {
	if count := countNodes(tree); count > maxNodes {
		return wholeError(expr, fmt.Sprintf("the expression has %d parts, with macros expanded; at most %d are allowed: "+
			"select with fewer terms", count, maxNodes))
	}
	w := depthWalk{front: f, tree: tree}
	w.expr(tree.Expr())
	if w.faults.count == 0 && w.levels > maxLevels {
		return wholeError(expr, fmt.Sprintf("the types of the expression's parts have %d levels of lists and maps "+
			"together; at most %d are allowed: use fewer lists and maps", w.levels, maxLevels))
	}
	return w.faults.refusal(expr)
}

func countNodes(tree *ast.AST) int {
	count := 0
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(ast.Expr) { count++ }))
	return count
}

// typeDepth bounds the levels of an expression's type before its type is known.
type typeDepth struct {
	levels int
	open   bool // the type has the unknown element of an empty list or map in it
}

func (d typeDepth) or(other typeDepth) typeDepth {
	return typeDepth{max(d.levels, other.levels), d.open || other.open}
}

// depthWalk bounds the type of each part of a tree from the types of the parts below it.
type depthWalk struct {
	front  *frontend
	tree   *ast.AST
	faults faults
	scope  []binding
	macros int // around the part
	levels int // of all parts so far
}

// binding is a variable of a macro.
type binding struct {
	name  string
	depth typeDepth
}

// expr returns the depth of a part. A part that is over a bound counts as one of depth 1, so that the parts around it
// add no faults.
func (w *depthWalk) expr(e ast.Expr) typeDepth {
	d := w.part(e)
	if d.levels > maxTypeDepth {
		w.faults.addAt(w.tree, e, fmt.Errorf("the type has %d levels of lists and maps; at most %d are allowed: "+
			"nest fewer", d.levels, maxTypeDepth))
		d.levels = 1
	}
	w.levels += d.levels
	return d
}

func (w *depthWalk) part(e ast.Expr) typeDepth {
	switch e.Kind() {
	case ast.IdentKind:
		return w.ident(e.AsIdent())
	case ast.SelectKind:
		return w.selection(e)
	case ast.CallKind:
		return w.call(e)
	case ast.ListKind:
		return w.list(e.AsList())
	case ast.MapKind:
		return w.entries(e.AsMap())
	case ast.StructKind:
		return w.fields(e.AsStruct())
	case ast.ComprehensionKind:
		return w.comprehension(e)
	}
	return typeDepth{levels: 1}
}

func (w *depthWalk) ident(name string) typeDepth {
	local, global := strings.CutPrefix(name, ".")
	for i := len(w.scope) - 1; i >= 0 && !global; i-- {
		if w.scope[i].name == name {
			return w.scope[i].depth
		}
	}
	if v, ok := byName[local]; ok {
		return typeDepth{levels: levelsOf(v.typ)}
	}
	return typeDepth{levels: maxKeyDepth} // the name of a type, such as map, or no name at all
}

// selection bounds `labels.room`. The walk goes no further into a chain of too many names.
func (w *depthWalk) selection(e ast.Expr) typeDepth {
	names, operand := 1, e
	for operand.Kind() == ast.SelectKind {
		names, operand = names+1, operand.AsSelect().Operand()
	}
	if operand.Kind() == ast.IdentKind && names > maxNames {
		w.faults.addAt(w.tree, e, fmt.Errorf("dots join %d names; at most %d are allowed", names, maxNames))
		return typeDepth{levels: 1}
	}
	d := w.expr(e.AsSelect().Operand())
	if !d.open {
		d.levels = max(d.levels-1, 1)
	}
	return d
}

func (w *depthWalk) call(e ast.Expr) typeDepth {
	call, args := e.AsCall(), typeDepth{levels: 1}
	if count := len(call.Args()); count > maxArguments {
		w.faults.addAt(w.tree, e, fmt.Errorf("the call has %d arguments; no function takes more than %d", count,
			maxArguments))
		return args
	}
	if call.IsMemberFunction() {
		args = args.or(w.expr(call.Target()))
	}
	for _, arg := range call.Args() {
		args = args.or(w.expr(arg))
	}
	return w.front.depths[call.FunctionName()].of(args)
}

func (w *depthWalk) list(list ast.ListExpr) typeDepth {
	elements := typeDepth{levels: 1, open: list.Size() == 0}
	for _, element := range list.Elements() {
		elements = elements.or(w.expr(element))
	}
	elements.levels++
	return elements
}

func (w *depthWalk) entries(entries ast.MapExpr) typeDepth {
	values := typeDepth{levels: 1, open: entries.Size() == 0}
	for _, entry := range entries.Entries() {
		e := entry.AsMapEntry()
		key := w.expr(e.Key())
		if key.levels > maxKeyDepth {
			w.faults.addAt(w.tree, e.Key(), fmt.Errorf("the key of the map is, or may be, a nested list or map; "+
				"use a string, a number or a bool"))
			key.levels = 1
		}
		values = values.or(key).or(w.expr(e.Value()))
	}
	values.levels++
	return values
}

func (w *depthWalk) fields(fields ast.StructExpr) typeDepth {
	for _, field := range fields.Fields() {
		w.expr(field.AsStructField().Value())
	}
	return typeDepth{levels: maxKeyDepth} // a message of protobuf may be a list or a map
}

func (w *depthWalk) comprehension(e ast.Expr) typeDepth {
	c := e.AsComprehension()
	element := w.expr(c.IterRange())
	element.levels = max(element.levels-1, 1)
	if element.open {
		element.levels = max(element.levels, openDepth)
	}
	result := typeDepth{levels: w.expr(c.AccuInit()).levels}
	if w.macros++; w.macros == maxMacros+1 {
		w.faults.addAt(w.tree, e, fmt.Errorf("more than %d macros are nested; nest fewer", maxMacros))
	}
	if w.macros <= maxMacros {
		outer := len(w.scope)
		w.scope = append(w.scope, binding{c.AccuVar(), result}, binding{c.IterVar(), element}, binding{c.IterVar2(), element})
		w.expr(c.LoopCondition())
		w.scope[outer].depth = result.or(w.expr(c.LoopStep()))
		w.scope = w.scope[:outer+1]
		result = w.expr(c.Result())
		w.scope = w.scope[:outer]
	}
	w.macros--
	return result
}
