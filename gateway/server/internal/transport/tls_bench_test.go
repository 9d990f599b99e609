package transport_test

import (
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// idleConnections is how many connections BenchmarkIdle opens.
const idleConnections = 3000

// BenchmarkIdle measures the memory of an idle connection that has echoed once. The client's descriptor is in the same
// process. The difference between plain and TLS is the cost of TLS.
func BenchmarkIdle(b *testing.B) {
	for _, network := range []string{"tcp", "tcp+TLS 1.3", "tcp+TLS 1.2"} {
		b.Run(network, func(b *testing.B) {
			for range b.N {
				idle(b, network)
			}
		})
	}
}

// idle opens connections, echoes 64 bytes with each, and reports the memory that remains in use.
func idle(b *testing.B, network string) {
	e, err := transport.New(engines[0], clock, 0)
	if err != nil {
		b.Fatal(err)
	}
	if network != "tcp" {
		e = secure(e)
	}
	ln, dial := listen(b, network)
	echoes := newEchoes()
	a, err := e.Accept(ln, echoes)
	if err != nil {
		b.Fatal(err)
	}
	heap, resident := memory(b)
	peers := make([]net.Conn, 0, idleConnections)
	message := make([]byte, 64)
	for range idleConnections {
		c, err := dial()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			b.Fatal(err)
		}
		peers = append(peers, raw(c))
	}
	after, residentAfter := memory(b)
	b.ReportMetric(float64(after-heap)/idleConnections, "heap-B/conn")
	b.ReportMetric(float64(residentAfter-resident)/idleConnections, "resident-B/conn")
	for _, c := range peers {
		c.Close()
	}
	if err := a.Close(); err != nil {
		b.Error(err)
	}
	e.Wait()
}

// memory returns, after a collection, the bytes of the heap that are in use and the bytes that the process has from the
// system.
func memory(b *testing.B) (heap, resident int64) {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.Sys - m.HeapReleased)
}

// BenchmarkEcho measures the echo of 64 bytes and of 64 KiB. The client is in the same process.
func BenchmarkEcho(b *testing.B) {
	for _, network := range []string{"tcp", "tcp+TLS 1.3", "tcp+TLS 1.2"} {
		for _, size := range []int{64, 64 << 10} {
			b.Run(network+"/"+map[int]string{64: "64B", 64 << 10: "64KiB"}[size], func(b *testing.B) { echo(b, network, size) })
		}
	}
}

// echo measures the echo of one size over a network.
func echo(b *testing.B, network string, size int) {
	e, err := transport.New(engines[0], clock, 0)
	if err != nil {
		b.Fatal(err)
	}
	if network != "tcp" {
		e = secure(e)
	}
	ln, dial := listen(b, network)
	a, err := e.Accept(ln, newEchoes())
	if err != nil {
		b.Fatal(err)
	}
	c, err := dial()
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	if err := a.Close(); err != nil {
		b.Error(err)
	}
	e.Wait()
}
