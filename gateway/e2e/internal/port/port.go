// Package port finds ports that are free, for programs that cannot choose one themselves.
package port

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// The ports that Free chooses from are below those that systems give to clients and to port 0. So no client and no
// listener takes a port between Free and the start of the program that gets it.
const (
	lowest = 20_000
	count  = 10_000
)

var (
	mu    sync.Mutex
	given = make(map[int]bool) // in this process
)

// Free returns a port for each name. Each is free on all addresses of this machine, and no other call in this process
// returns it.
func Free(t testing.TB, names ...string) map[string]string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	ports := make(map[string]string)
	for _, name := range names {
		port := next(t)
		given[port], ports[name] = true, strconv.Itoa(port)
	}
	return ports
}

// next returns a free port that was not given before.
func next(t testing.TB) int {
	t.Helper()
	var err error
	for range 1000 {
		port := lowest + rand.IntN(count)
		if given[port] {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no port from %d on is free: %v", lowest, err)
	return 0
}
