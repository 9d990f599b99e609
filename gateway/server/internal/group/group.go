// Package group counts connections by a property.
package group

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/label"
)

const (
	// Max is the most groups that Largest returns.
	Max = 1000
	// ranked is the most values that are counted apart. It bounds the memory of a count.
	ranked = 100_000
)

// Group is the number of connections with one value of the property.
type Group struct {
	Value string // the value of the property
	Count uint64 // connections with the value
}

// groupNames reads the properties besides labels. Their names are those of a filter's variables.
var groupNames = map[string]func(*event.Connection) string{
	"listener":     func(i *event.Connection) string { return i.Listener.Name },
	"state":        func(i *event.Connection) string { return i.State.String() },
	"close_reason": func(i *event.Connection) string { return i.CloseReason.String() },
	"remote_ip": func(i *event.Connection) string {
		if !i.Remote.IsValid() {
			return ""
		}
		return i.Remote.Addr().Unmap().String()
	},
	"handler_instance": func(i *event.Connection) string { return i.Instance },
}

// Reader returns the function that reads the named property of a connection, or the label of a name with `labels.`; nil
// for an unknown name.
func Reader(name string) func(*event.Connection) string {
	if key, ok := strings.CutPrefix(name, "labels."); ok && label.ValidKey(key) {
		return func(i *event.Connection) string { return i.Labels[key] }
	}
	return groupNames[name]
}

// Counts has the number of connections by value. The caller guards it.
type Counts map[string]*uint64

// Add counts one connection. It drops a new value when 100,000 values are counted already.
func (c Counts) Add(value string) {
	if n := c[value]; n != nil {
		*n++
	} else if len(c) < ranked {
		c[value] = new(uint64(1))
	}
}

// Largest returns the Max largest groups, in descending order. Groups of one size are in the order of their values.
func (c Counts) Largest() []Group {
	all := make([]Group, 0, len(c))
	for value, n := range c {
		all = append(all, Group{Value: value, Count: *n})
	}
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return all[:min(len(all), Max)]
}
