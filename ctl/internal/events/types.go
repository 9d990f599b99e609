package events

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ParseTypes reads type names such as CONNECTED, EVENT_TYPE_CONNECTED, connected or backpressure-on.
func ParseTypes(names []string) ([]pb.EventType, error) {
	var types []pb.EventType
	for _, name := range names {
		upper := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(name), "-", "_"))
		n, ok := pb.EventType_value["EVENT_TYPE_"+strings.TrimPrefix(upper, "EVENT_TYPE_")]
		if !ok || n == 0 {
			return nil, app.Usagef("--type %q is not an event type; use one of %s", name, strings.Join(TypeNames(), ", "))
		}
		if t := pb.EventType(n); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types, nil
}

// TypeNames are all types, in the order of the contract.
func TypeNames() []string {
	var names []string
	for n := int32(1); ; n++ {
		if _, ok := pb.EventType_name[n]; !ok {
			return names
		}
		names = append(names, app.TypeText(pb.EventType(n)))
	}
}

// CompleteTypes completes the type behind the last comma.
func CompleteTypes(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	last := strings.LastIndexByte(typed, ',') + 1
	var found []cobra.Completion
	for _, name := range TypeNames() {
		if strings.HasPrefix(name, strings.ToUpper(typed[last:])) {
			found = append(found, typed[:last]+name)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
