package daemon

import (
	"os"
	"runtime"
	"sync"
)

// moreProcessors gives Go's scheduler twice as many processors (Ps) as the machine has, once for the process, unless GOMAXPROCS says how
// many there are to be. It is for a gateway with TLS: a handshake or the garbage collector then does not keep a loop, which the kernel
// has woken, waiting for a P; the operating system shares the real processors between all of them. Beside a flood of handshakes this was
// measured to take the p99 of established connections from 1.8 ms to between 0.5 and 1.2 ms, and without one nothing; see performance.md.
var moreProcessors = sync.OnceFunc(func() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
})
