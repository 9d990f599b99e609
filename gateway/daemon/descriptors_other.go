//go:build !unix

package daemon

// descriptorRoom returns 0: this system has no known limit.
func descriptorRoom() int { return 0 }

// controlRoom returns 0: this system has no known limit.
func controlRoom() int { return 0 }
