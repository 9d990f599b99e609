// Package fair shares places between groups, such as the handshakes of each address, and finds the one that has to give
// way.
package fair

import (
	"container/list"
	"iter"
)

// Crowd holds members in groups, and keeps the groups in the order of their sizes. A change costs the same however many
// there are. The zero value is empty. One goroutine at a time may use it.
type Crowd[K comparable, T any] struct {
	groups map[K]*group[K]
	sizes  list.List // *size, the smallest first; none is without a group
	n      int
}

// Member is a member of a Crowd.
type Member[K comparable, T any] struct {
	Value T // set by the caller of Add
	group *group[K]
	place *list.Element // in the group's members
}

// group has the members with one key.
type group[K comparable] struct {
	key     K
	members list.List     // *Member, the oldest first
	size    *list.Element // in Crowd.sizes; nil for a group that is not sorted in yet
	place   *list.Element // in the size's groups
}

// size has the groups of one size.
type size struct {
	members int
	groups  list.List // *group, in the order in which they came to this size
}

// Add adds the youngest member of its group.
func (c *Crowd[K, T]) Add(key K, value T) *Member[K, T] {
	g := c.groups[key]
	if g == nil {
		if c.groups == nil {
			c.groups = make(map[K]*group[K])
		}
		g = &group[K]{key: key}
		c.groups[key] = g
	}
	m := &Member[K, T]{Value: value, group: g}
	m.place = g.members.PushBack(m)
	c.n++
	c.sort(g)
	return m
}

// Remove takes out a member, which must be in the crowd.
func (c *Crowd[K, T]) Remove(m *Member[K, T]) {
	m.group.members.Remove(m.place)
	c.n--
	c.sort(m.group)
}

// Len returns the number of members.
func (c *Crowd[K, T]) Len() int { return c.n }

// Groups returns the number of groups that have members.
func (c *Crowd[K, T]) Groups() int { return len(c.groups) }

// Count returns the number of members of a group.
func (c *Crowd[K, T]) Count(key K) int {
	if g := c.groups[key]; g != nil {
		return g.members.Len()
	}
	return 0
}

// Group yields the members of a group, the oldest first. The crowd must not change meanwhile.
func (c *Crowd[K, T]) Group(key K) iter.Seq[*Member[K, T]] {
	return func(yield func(*Member[K, T]) bool) {
		g := c.groups[key]
		if g == nil {
			return
		}
		for e := g.members.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(*Member[K, T])) {
				return
			}
		}
	}
}

// Largest yields the keys of the groups, the largest first. Of equal ones, the first is the one that came to this size
// first. The crowd must not change meanwhile.
func (c *Crowd[K, T]) Largest() iter.Seq[K] {
	return func(yield func(K) bool) {
		for s := c.sizes.Back(); s != nil; s = s.Prev() {
			for e := s.Value.(*size).groups.Front(); e != nil; e = e.Next() {
				if !yield(e.Value.(*group[K]).key) {
					return
				}
			}
		}
	}
}

// sort moves a group that has won or lost a member to the groups of its size.
func (c *Crowd[K, T]) sort(g *group[K]) {
	from, place := g.size, g.place
	if n := g.members.Len(); n == 0 {
		delete(c.groups, g.key)
	} else {
		g.size = c.sizeOf(n, from)
		g.place = g.size.Value.(*size).groups.PushBack(g)
	}
	if from == nil {
		return
	}
	groups := &from.Value.(*size).groups
	if groups.Remove(place); groups.Len() == 0 {
		c.sizes.Remove(from)
	}
}

// sizeOf returns the groups with n members, which are next to from; nil is below the first.
func (c *Crowd[K, T]) sizeOf(n int, from *list.Element) *list.Element {
	if from == nil {
		if first := c.sizes.Front(); first != nil && first.Value.(*size).members == n {
			return first
		}
		return c.sizes.PushFront(&size{members: n})
	}
	if n > from.Value.(*size).members {
		if next := from.Next(); next != nil && next.Value.(*size).members == n {
			return next
		}
		return c.sizes.InsertAfter(&size{members: n}, from)
	}
	if last := from.Prev(); last != nil && last.Value.(*size).members == n {
		return last
	}
	return c.sizes.InsertBefore(&size{members: n}, from)
}
