package daemon

import (
	"runtime"
	"sync"
)

// loops returns how many loops there are to be, one for each processor that the process may use, and gives the runtime as many Ps
// more, once for the process: see server.Config.Loops. The operating system, which runs a loop as soon as its sockets are ready, then
// shares the processors between the loops and everything else; the runtime would let a loop wait behind a long walk.
var loops = sync.OnceValue(func() int {
	n := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(2 * n)
	return n
})
