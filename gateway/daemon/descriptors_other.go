//go:build !unix

package daemon

// descriptorRoom returns 0: no limit is known.
func descriptorRoom() int { return 0 }

// controlRoom returns 0: no limit is known.
func controlRoom() int { return 0 }
