package daemon

import (
	"os"
	"runtime"
	"sync"
)

// moreProcessors doubles the processors (Ps) of Go's scheduler, once for the process, unless GOMAXPROCS is set. It is
// for a gateway with TLS: a loop that the kernel has woken then does not wait for a P behind a handshake or the garbage
// collector. The operating system shares the real processors between all of them. Measured beside a flood of
// handshakes, it took the p99 of established connections from 1.8 ms to between 0.5 and 1.2 ms, and changed nothing
// without a flood; see performance.md.
var moreProcessors = sync.OnceFunc(func() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
})
