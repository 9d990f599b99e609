package filter

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

const labelsName = "labels"

// The contract's bounds of labels. The cost estimate uses them.
const (
	maxLabels     = 16  // labels of a connection
	maxLabelKey   = 63  // bytes
	maxLabelValue = 256 // bytes
)

// labels is a CEL map that reads as "" where a key is not set. Only reading by key is lenient: `in`, `==`, size() and
// the macros see the labels that are set. It is a part of the input, so that reading a label allocates no map. Most
// filters use labels in no other way.
type labels struct {
	set    map[string]string
	mapper traits.Mapper // CEL's own map of set; nil until it is needed
}

var (
	_ traits.Mapper   = (*labels)(nil)
	_ traits.Foldable = (*labels)(nil)
)

// FindStringKey serves `labels.room` and `labels["room"]`: the interpreter calls it in place of Find.
func (l *labels) FindStringKey(key string) (any, bool) { return types.String(l.set[key]), true }

// Get serves an index that the interpreter does not plan as an attribute.
func (l *labels) Get(key ref.Val) ref.Val {
	if s, ok := key.(types.String); ok {
		return types.String(l.set[string(s)])
	}
	return l.strict().Get(key)
}

// strict returns CEL's own map, which serves everything but reading by key.
func (l *labels) strict() traits.Mapper {
	if l.mapper == nil {
		l.mapper = types.NewStringStringMap(types.DefaultTypeAdapter, l.set)
	}
	return l.mapper
}

// Find returns the value of a label that is set.
func (l *labels) Find(key ref.Val) (ref.Val, bool) { return l.strict().Find(key) }

// Contains reports whether a label is set.
func (l *labels) Contains(key ref.Val) ref.Val {
	if s, ok := key.(types.String); ok {
		_, set := l.set[string(s)]
		return types.Bool(set)
	}
	return l.strict().Contains(key)
}

// Fold goes through the labels for the macros. Most macros look only at keys, and get no values.
func (l *labels) Fold(f traits.Folder) {
	keys, ok := f.(interface{ FoldKeyOnly() bool })
	keysOnly := ok && keys.FoldKeyOnly()
	for key, text := range l.set {
		var value any
		if !keysOnly {
			value = types.String(text)
		}
		if !f.FoldEntry(types.String(key), value) {
			return
		}
	}
}

// Iterator goes through the keys.
func (l *labels) Iterator() traits.Iterator { return l.strict().Iterator() }

// Size returns how many labels are set.
func (l *labels) Size() ref.Val { return types.Int(len(l.set)) }

// Equal compares the labels that are set.
func (l *labels) Equal(other ref.Val) ref.Val { return l.strict().Equal(other) }

// Type returns CEL's type of maps.
func (l *labels) Type() ref.Type { return types.MapType }

// Value returns the Go map.
func (l *labels) Value() any { return l.set }

// ConvertToType converts as CEL's own map does.
func (l *labels) ConvertToType(t ref.Type) ref.Val { return l.strict().ConvertToType(t) }

// ConvertToNative converts as CEL's own map does.
func (l *labels) ConvertToNative(t reflect.Type) (any, error) { return l.strict().ConvertToNative(t) }
