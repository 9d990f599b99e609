package attack

import (
	"context"
	"io"
	"net"
	"sync"
)

// stalledAddress is where the stalled handshakes come from. Honest clients have another address of this machine.
const stalledAddress = "127.0.0.9"

// half is the beginning of a ClientHello record of 512 bytes.
const half = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

// tlsStalled begins handshakes, and begins another one for each that the gateway ends.
func tlsStalled(ctx context.Context, t *Target, _ string) {
	var all sync.WaitGroup
	for range t.Conns {
		all.Go(func() {
			for ctx.Err() == nil {
				t.stall(ctx)
			}
		})
	}
	all.Wait()
}

// stall begins one handshake, and waits for the connection's end.
func (t *Target) stall(ctx context.Context) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(stalledAddress)}}
	conn, err := dialer.DialContext(ctx, "tcp", t.TLS)
	if err != nil {
		t.tally.Add("dial failed", 1)
		rest(ctx, pause)
		return
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	t.tally.Add("connections", 1)
	if _, err := io.WriteString(conn, half); err == nil {
		_, _ = conn.Read(make([]byte, 1))
	}
	if ctx.Err() == nil {
		t.tally.Add("connections cut", 1)
		rest(ctx, pause)
	}
}
