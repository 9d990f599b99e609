// Package scale says how much tests do: less than they can, unless the environment has LONG_TESTS, as in CI.
package scale

import (
	"flag"
	"os"
	"runtime"
	"strconv"
)

// Full reports whether LONG_TESTS is set.
func Full() bool { return os.Getenv("LONG_TESTS") != "" }

// Of returns how much a test does by default, or in full.
func Of(less, full int) int {
	if Full() {
		return full
	}
	return less
}

// Parallel lets more tests run at once than there are processors, for tests that mostly wait for other processes. It is
// for the beginning of TestMain; the flag -parallel has precedence.
func Parallel() {
	_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // a number, for a flag that every test has
}
