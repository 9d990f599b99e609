package fleet

import (
	"cmp"
	"net/netip"
	"slices"
)

// firstBanned returns the first of the targets of bans, each once, in their order: networks by their addresses, then identities by their
// bytes. It changes the slice.
func firstBanned(targets []string) []string {
	slices.SortFunc(targets, compareBanned)
	targets = slices.Compact(targets)
	return targets[:min(len(targets), maxFailures)]
}

func compareBanned(a, b string) int {
	x, noX := netip.ParsePrefix(a)
	y, noY := netip.ParsePrefix(b)
	switch {
	case noX != nil && noY != nil:
		return cmp.Compare(a, b)
	case noX != nil:
		return 1
	case noY != nil:
		return -1
	}
	return cmp.Or(x.Addr().Compare(y.Addr()), cmp.Compare(x.Bits(), y.Bits()))
}
