package attack

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// stalledAddress is where the stalled handshakes come from. Honest clients have another address of this machine.
const stalledAddress = "127.0.0.9"

// hello is the first flight of a client of TLS.
var hello = sync.OnceValue(func() []byte {
	client, server := net.Pipe()
	defer client.Close()
	go func() { _ = tls.Client(client, &tls.Config{ServerName: "localhost"}).Handshake() }() // it ends with the pipe
	b := make([]byte, 16<<10)
	n, _ := server.Read(b) // a record is one write
	return b[:n]
})

// tlsStalled begins handshakes, and begins another one for each that the gateway ends: it sends the first flight and
// nothing more. Half as many more send nothing, or half of it.
func tlsStalled(ctx context.Context, t *Target, _ string) {
	whole := hello()
	var all sync.WaitGroup
	stall := func(n int, says []byte) {
		for range n {
			all.Go(func() {
				for ctx.Err() == nil {
					t.stall(ctx, says)
				}
			})
		}
	}
	stall(t.Conns, whole)
	stall(t.Conns/4, whole[:len(whole)/2])
	stall(t.Conns/4, nil)
	all.Wait()
}

// stall begins one handshake, and waits for the connection's end.
func (t *Target) stall(ctx context.Context, says []byte) {
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
	if _, err := conn.Write(says); err == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
	if ctx.Err() == nil {
		t.tally.Add("connections cut", 1)
		rest(ctx, pause)
	}
}
