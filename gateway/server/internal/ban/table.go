package ban

import (
	"container/heap"
	"net/netip"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// table has the bans in force, for look-ups by peer and by target. The zero value is empty. A change costs a few steps
// and the moving of at most Max pointers, and a look-up one step for each length of prefix that occurs.
type table struct {
	rows       []*Ban // in the order of their targets
	networks   map[netip.Prefix]*Ban
	lengths    [2][129]int // how many networks of IPv4 and of IPv6 have a prefix of so many bits
	identities map[string]*Ban
	ends       ends // the bans that end by themselves
	bytes      int  // of the lines of all rows
}

// find returns the ban that covers a peer; nil without one. A narrower network goes before a wider one, and networks go
// before identities.
func (t *table) find(addr netip.Addr, identity string, now time.Time) *Ban {
	if addr.IsValid() { // an address of a unix socket is not
		if b := t.findNetwork(ipnet.Addr(addr), now); b != nil {
			return b
		}
	}
	if b := t.identities[identity]; b != nil && !b.over(now) {
		return b
	}
	return nil
}

func (t *table) findNetwork(addr netip.Addr, now time.Time) *Ban {
	lengths := t.lengthsOf(addr)
	for bits := addr.BitLen(); bits >= 0; bits-- {
		if lengths[bits] == 0 {
			continue
		}
		network, _ := addr.Prefix(bits) // the length fits the family
		if b := t.networks[network]; b != nil && !b.over(now) {
			return b
		}
	}
	return nil
}

func (t *table) lengthsOf(addr netip.Addr) *[129]int {
	if addr.Is4() {
		return &t.lengths[0]
	}
	return &t.lengths[1]
}

// of returns the ban of exactly a target; nil without one.
func (t *table) of(target Target) *Ban {
	if target.IsIdentity() {
		return t.identities[target.identity]
	}
	return t.networks[target.network]
}

// place returns the index of a target in rows, or the index where it belongs, and whether it is there.
func (t *table) place(target Target) (index int, found bool) {
	return slices.BinarySearchFunc(t.rows, target, func(b *Ban, target Target) int { return b.Target.Compare(target) })
}

// fits reports whether bans of different targets have room; the error is ErrTooMany or a *SizeError.
func (t *table) fits(added []*Ban) error {
	count, bytes := len(t.rows), t.bytes
	for _, b := range added {
		bytes += b.size
		if old := t.of(b.Target); old != nil {
			bytes -= old.size
		} else {
			count++
		}
	}
	switch {
	case count > Max:
		return ErrTooMany
	case bytes > maxBytes && bytes > t.bytes:
		return &SizeError{Bytes: bytes}
	}
	return nil
}

// put brings bans of different targets into force, in the place of others of the same targets, and returns how many
// those were. The caller has asked fits.
func (t *table) put(added []*Ban) (replaced int) {
	var fresh []*Ban
	for _, b := range added {
		if place, found := t.place(b.Target); found {
			t.forget(t.rows[place])
			t.rows[place] = b
			replaced++
		} else {
			fresh = append(fresh, b)
		}
		t.index(b)
	}
	t.insert(fresh)
	return replaced
}

// insert puts bans into rows: one where it belongs, several by sorting, so that the cost of many stays in bounds.
func (t *table) insert(fresh []*Ban) {
	if len(fresh) == 1 {
		place, _ := t.place(fresh[0].Target)
		t.rows = slices.Insert(t.rows, place, fresh[0])
		return
	}
	t.rows = append(t.rows, fresh...)
	slices.SortFunc(t.rows, func(a, b *Ban) int { return a.Target.Compare(b.Target) })
}

// remove ends the ban of a target and returns it; nil when there is none.
func (t *table) remove(target Target) *Ban {
	place, found := t.place(target)
	if !found {
		return nil
	}
	b := t.rows[place]
	t.forget(b)
	t.rows = slices.Delete(t.rows, place, place+1)
	return b
}

// prune removes the bans that have expired.
func (t *table) prune(now time.Time) {
	if len(t.ends) == 0 || !t.ends[0].over(now) {
		return
	}
	for len(t.ends) > 0 && t.ends[0].over(now) {
		t.forget(t.ends[0])
	}
	t.rows = slices.DeleteFunc(t.rows, func(b *Ban) bool { return b.over(now) })
}

// index makes a ban known to the look-ups.
func (t *table) index(b *Ban) {
	if t.networks == nil {
		t.networks, t.identities = make(map[netip.Prefix]*Ban), make(map[string]*Ban)
	}
	t.bytes += b.size
	if !b.ExpiresAt.IsZero() {
		heap.Push(&t.ends, b)
	}
	if b.Target.IsIdentity() {
		t.identities[b.Target.identity] = b
		return
	}
	t.networks[b.Target.network] = b
	t.lengthsOf(b.Target.network.Addr())[b.Target.network.Bits()]++
}

// forget undoes index.
func (t *table) forget(b *Ban) {
	t.bytes -= b.size
	if !b.ExpiresAt.IsZero() {
		heap.Remove(&t.ends, b.place)
	}
	if b.Target.IsIdentity() {
		delete(t.identities, b.Target.identity)
		return
	}
	delete(t.networks, b.Target.network)
	t.lengthsOf(b.Target.network.Addr())[b.Target.network.Bits()]--
}

// ends is a heap of bans, the one that ends first at its root.
type ends []*Ban

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].ExpiresAt.Before(e[j].ExpiresAt) }
func (e ends) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].place, e[j].place = i, j
}

// Push is for package heap.
func (e *ends) Push(x any) {
	b, _ := x.(*Ban)
	b.place = len(*e)
	*e = append(*e, b)
}

// Pop is for package heap.
func (e *ends) Pop() any {
	last := len(*e) - 1
	b := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	return b
}
