package server_test

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A peer that writes and never reads costs the high water and one read. An event reports the pause, and the write
// timeout closes the peer.
func TestPeerThatNeverReads(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const timeout = time.Second
		g := startOn(t, engine, server.Config{Limits: server.Limits{WriteTimeout: timeout}})
		f := g.follow(event.BackpressureOn, event.Closed)
		c := g.open()
		var writing sync.WaitGroup
		writing.Go(func() {
			for buffer := make([]byte, 64<<10); ; {
				if _, err := c.Write(buffer); err != nil {
					return
				}
			}
		})
		on := f.awaitType(event.BackpressureOn, c.id)
		d := on.Detail.(*event.PauseDetail)
		if bound := uint64(64<<10 + 64<<10); d.Queued > bound || d.Queued <= 32<<10 || on.Conn.QueuedBytes != d.Queued ||
			!on.Conn.ReadPaused {
			t.Errorf("%d bytes are queued; expected more than the low water and at most %d", d.Queued, bound)
		}
		if d.Paused < 250*time.Millisecond || d.Paused >= timeout {
			t.Errorf("announced a pause of %s; expected 250 ms, and long before the write timeout", d.Paused)
		}
		closed := f.awaitType(event.Closed, c.id)
		if closed.Conn.CloseReason != event.ReasonSlowConsumer || closed.Conn.UnsentBytes < d.Queued {
			t.Errorf("closed with %s, %d unsent; expected SLOW_CONSUMER, %d or more", closed.Conn.CloseReason,
				closed.Conn.UnsentBytes, d.Queued)
		}
		if i := closed.Conn; i.BytesSent+i.UnsentBytes != i.BytesReceived-i.DiscardedBytes {
			t.Errorf("%d sent and %d unsent of %d received and %d discarded; expected that each byte is one or the other",
				i.BytesSent, i.UnsentBytes, i.BytesReceived, i.DiscardedBytes)
		}
		if stalled := closed.Conn.ClosedAt.Sub(closed.Conn.LastActiveAt); stalled < timeout {
			t.Errorf("closed %s after the last byte; expected the write timeout, %s, or more", stalled, timeout)
		}
		writing.Wait()
	})
}

// A peer that reads slowly but steadily is not closed, although the kernel takes nothing for it for longer than the
// write timeout.
func TestSteadyReader(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		t.Parallel()
		g := startOn(t, engine, server.Config{Limits: server.Limits{WriteTimeout: 1500 * time.Millisecond}})
		c := g.open()
		var writing sync.WaitGroup
		writing.Go(func() {
			for buffer := make([]byte, 64<<10); ; {
				if _, err := c.Write(buffer); err != nil {
					return
				}
			}
		})
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		buffer := make([]byte, 12<<10)
		for read, all := 0, scaled(5<<17, 5<<18); read < all; {
			<-pace.C
			n, err := c.Read(buffer)
			if err != nil {
				t.Fatalf("cut after %d bytes: %v", read, err)
			}
			read += n
		}
		if i := g.get(c.id); !i.Live() {
			t.Errorf("%s: %s", i.CloseReason, i.CloseText)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		writing.Wait()
	})
}

// A slow reader gets every byte, and an event reports the end and the length of the pause.
func TestSlowReader(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := startOn(t, engine, server.Config{})
		f := g.follow(event.BackpressureOn, event.BackpressureOff, event.Closed)
		c := g.open()
		const size = 16 << 20
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := c.Write(make([]byte, size)); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		on := f.awaitType(event.BackpressureOn, c.id).Detail.(*event.PauseDetail)
		n, err := io.Copy(io.Discard, c)
		if err != nil || n != size {
			t.Errorf("got %d bytes, %v; expected %d", n, err, size)
		}
		off := f.awaitType(event.BackpressureOff, c.id)
		if d := off.Detail.(*event.PauseDetail); d.Paused <= on.Paused || d.Queued > 32<<10 || off.Conn.ReadPaused {
			t.Errorf("BACKPRESSURE_OFF after %s with %d bytes queued; expected more than %s, and at most the low water",
				d.Paused, d.Queued, on.Paused)
		}
		writing.Wait()
		if g.info().Totals.ReadPauses == 0 {
			t.Error("no pause was counted")
		}
	})
}

// A pause that begins long after the write is reported too.
func TestPauseBehindOlderWrite(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{HighWater: 2 << 20, SendQueueLimit: 8 << 20}})
	f := g.follow(event.BackpressureOn, event.BackpressureOff)
	c := g.open()
	g.stuff(c.id) // below the high water, in a write without an end
	g.send(c.id, make([]byte, 3<<20), 0)
	if d := f.awaitType(event.BackpressureOn, c.id).Detail.(*event.PauseDetail); d.Paused > 10*time.Second {
		t.Errorf("announced after %s", d.Paused)
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	f.awaitType(event.BackpressureOff, c.id)
}
