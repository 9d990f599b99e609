package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// A send that the queue budget refused never reaches its peer, not even in the place of a later accepted send. An
// accepted send does. Both also hold with TLS, which may have encrypted the beginning of a send before the kernel took
// nothing of it.
func TestQueueBudgetWithTLS(t *testing.T) {
	a := newAuthority(t)
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{Limits: server.Limits{QueueBudget: 1}, Handler: handler.Sink{},
			Listeners: tlsListener(a.gateway(tls.NoClientCert), server.ProxyOff)})
		f := g.follow(event.Connected)
		client := tls.Client(g.dial(), a.client(""))
		if err := client.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		id := f.awaitType(event.Connected, "").Conn.ID()
		message := func(n int) []byte { return bytes.Repeat(binary.BigEndian.AppendUint32(nil, uint32(n)), 4000) }
		send := func(n int) server.Outcome {
			r, err := g.Send(context.Background(), server.SendRequest{ID: id, Data: message(n)})
			if err != nil {
				t.Fatal(err)
			}
			return r.Outcome
		}
		read := func(n int) {
			t.Helper()
			got := make([]byte, len(message(n)))
			if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, message(n)) {
				t.Fatalf("message %d: %v; it begins with % x", n, err, got[:4])
			}
		}
		n := 0
		for send(n) != server.OutcomeDroppedBudget { // until neither the kernel nor the queue takes more
			n++
		}
		for i := range n {
			read(i)
		}
		for n++; send(n) == server.OutcomeDroppedBudget; n++ { // until the gateway knows that the kernel took all
		}
		read(n)
	})
}
