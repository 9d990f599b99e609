package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxWords is how many bytes of a new value a record has.
const maxWords = 256

// changesOf tells the new values of limits, by the fields' names, as the record of a node has them. The request was validated.
func changesOf(r *pb.UpdateLimitsRequest) map[string]string {
	changes := make(map[string]string)
	from := r.GetLimits().ProtoReflect()
	for _, path := range r.GetUpdateMask().GetPaths() {
		if f := from.Descriptor().Fields().ByName(protoreflect.Name(path)); f != nil {
			changes[path] = words(f, from.Get(f))
		}
	}
	return changes
}

// words tells the value of a limit.
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
	case f.Message() != nil: // all that are a message are durations
		return v.Message().Interface().(interface{ AsDuration() time.Duration }).AsDuration().String()
	}
	return v.String()
}

// elementsInWords tells the elements of a list: the first ones, and how many there are when that is too long for the record.
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
