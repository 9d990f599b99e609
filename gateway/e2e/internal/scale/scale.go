// Package scale says how much tests do: less by default, and all of it when LONG_TESTS is set, as in CI.
package scale

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// Full reports whether LONG_TESTS is set.
func Full() bool { return os.Getenv("LONG_TESTS") != "" }

// Of returns less by default, and full when LONG_TESTS is set.
func Of(less, full int) int {
	if Full() {
		return full
	}
	return less
}

// Long skips a test that takes long, unless LONG_TESTS is set.
func Long(t testing.TB) {
	t.Helper()
	if !Full() {
		t.Skip("this test takes long: set LONG_TESTS=1 to run it")
	}
}

// Parallel sets how many tests run at once to twice the number of processors, for tests that mostly wait for other
// processes. TestMain calls it first; the flag -parallel takes precedence.
func Parallel() {
	// It cannot fail: every test binary has the flag, and its value is a number.
	_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
}
