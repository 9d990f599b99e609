// Package group counts connections by a value that they have in common.
package group

import (
	"cmp"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// Max is the most groups that Largest returns.
	Max = 1000
	// ranked is how many different values are kept apart.
	ranked = 100_000
)

// Group is how many connections have a value in common.
type Group struct {
	Value string
	Count uint64
}

// groupNames are what connections can be grouped by, besides labels; a filter has the same names.
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
}

// Reader returns the function that reads a connection's value by the value's name; nil when it is not known.
func Reader(name string) func(*event.Connection) string { return groupNames[name] }

// Counts are the numbers of connections by value.
type Counts map[string]*uint64

// Add counts one of a value, if there is room for the value.
func (c Counts) Add(value string) {
	if n := c[value]; n != nil {
		*n++
	} else if len(c) < ranked {
		c[value] = new(uint64(1))
	}
}

// Largest returns the largest groups in descending order, those of one size by their values.
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
