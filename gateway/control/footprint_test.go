package control_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
)

// TestConnectionFootprint checks the memory of an idle connection against the formula in docs/security.md. The test's
// own end of each connection counts too.
func TestConnectionFootprint(t *testing.T) {
	const clients, most = 500, 40 << 10
	first, _ := serve(t, gatewaytest.Start(t).Server, control.Config{})
	greet(t, first.Target())
	before := inUse()
	for range clients {
		greet(t, first.Target())
	}
	if each := (inUse() - before) / clients; each > most {
		t.Errorf("an idle connection has %d bytes; docs/security.md says at most %d", each, most)
	} else {
		t.Logf("%d bytes", each)
	}
}

// greet makes a connection of HTTP/2, and returns once the gateway has answered its settings.
func greet(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	check(t, err)
	f := http2.NewFramer(conn, conn)
	check(t, f.WriteSettings())
	for {
		frame, err := f.ReadFrame()
		check(t, err)
		if s, ok := frame.(*http2.SettingsFrame); ok && s.IsAck() {
			return
		}
	}
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // frees what pools kept from the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
