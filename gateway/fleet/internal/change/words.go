// Package change says in words what an UpdateLimits changes.
package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxWords is the most bytes of a new value in a record.
const maxWords = 256

// Words gives the new values of limits, by field name, in the words of a node's own record. The request was validated.
func Words(r *pb.UpdateLimitsRequest) map[string]string {
	changes := make(map[string]string)
	from := r.GetLimits().ProtoReflect()
	for _, path := range r.GetUpdateMask().GetPaths() {
		if f := from.Descriptor().Fields().ByName(protoreflect.Name(path)); f != nil {
			changes[path] = words(f, from.Get(f))
		}
	}
	return changes
}

// words formats the value of a limit.
func words(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case f.IsList():
		elements := make([]string, v.List().Len())
		for i := range elements {
			elements[i] = v.List().Get(i).String()
		}
		return elementsInWords(elements)
	case f.IsMap():
		texts := make(map[string]string)
		v.Map().Range(func(key protoreflect.MapKey, of protoreflect.Value) bool {
			texts[key.String()] = key.String() + "=" + of.String()
			return true
		})
		var elements []string
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			elements = append(elements, texts[key])
		}
		return elementsInWords(elements)
	case f.Message() != nil: // every message among the limits is a duration
		return v.Message().Interface().(interface{ AsDuration() time.Duration }).AsDuration().String()
	}
	return v.String()
}

// elementsInWords formats the elements of a list. If that is too long for the record, it gives the first ones and their
// number.
func elementsInWords(elements []string) string {
	all := strings.Join(elements[:min(len(elements), maxWords)], ",")
	switch {
	case len(elements) == 0:
		return "none"
	case len(elements) > maxWords || len(all) > maxWords:
		return fmt.Sprintf("%d: %s", len(elements), strings.ToValidUTF8(all[:maxWords/2], "")+"…")
	}
	return all
}
