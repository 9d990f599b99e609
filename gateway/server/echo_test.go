package server_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Every byte comes back in order. The client's FIN ends the connection when the last byte has come back.
func TestEchoBulk(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{})
		f := g.follow(event.Ended, event.Closed)
		c := g.open()
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := io.CopyN(c, rand.NewChaCha8([32]byte{1}), bulk); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		compare(t, c, bulk)
		writing.Wait()
		f.awaitType(event.Ended, c.id)
		closed := f.awaitType(event.Closed, c.id).Conn
		if closed.CloseReason != event.ReasonPeerClosed || closed.BytesReceived != bulk || closed.BytesSent != bulk ||
			closed.UnsentBytes != 0 {
			t.Errorf("CLOSED with %s, %d bytes in and %d out, %d unsent; expected PEER_CLOSED and %d", closed.CloseReason,
				closed.BytesReceived, closed.BytesSent, closed.UnsentBytes, bulk)
		}
	})
}

// The same holds for a client that first writes until back-pressure stops it, and only then reads.
func TestEchoBehindBackpressure(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{})
		f := g.follow(event.BackpressureOn, event.BackpressureOff)
		c := g.open()
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := io.CopyN(c, rand.NewChaCha8([32]byte{1}), bulk); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		f.awaitType(event.BackpressureOn, c.id)
		compare(t, c, bulk)
		writing.Wait()
		f.awaitType(event.BackpressureOff, c.id)
	})
}

// compare reads n bytes of the generator and then the end.
func compare(t *testing.T, c io.Reader, n int) {
	t.Helper()
	source := rand.NewChaCha8([32]byte{1})
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for read := 0; read < n; read += len(got) {
		if _, err := source.Read(want); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatalf("after %d bytes: %v", read, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("another byte came back within %d to %d", read, read+len(got))
		}
	}
	mustEnd(t, c)
}
