//go:build !unix

package daemon

// connectionDescriptors returns 0: this system has no known limit.
func connectionDescriptors() int { return 0 }

// controlDescriptors returns 0: this system has no known limit.
func controlDescriptors() int { return 0 }
