package server_test

import (
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A peer that sends nothing is closed. A peer that sent a byte in time may be silent from then on.
func TestFirstByteTimeout(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const timeout = 300 * time.Millisecond
		g := startOn(t, engine, server.Config{Limits: server.Limits{FirstByteTimeout: timeout},
			CloseTimeout: 50 * time.Millisecond})
		f := g.follow(event.Closed)
		var speaking []peer
		for range 3 {
			p := g.open()
			mustWrite(t, p, []byte("x"))
			mustRead(t, p, "x")
			speaking = append(speaking, p)
			mute := g.open()
			g.send(mute.id, []byte("hello"), 0) // bytes to the peer do not count
			mustRead(t, mute, "hello")
			closed := f.awaitType(event.Closed, mute.id).Conn
			if closed.CloseReason != event.ReasonFirstByteTimeout || closed.CloseText != "the peer sent nothing for 300ms" ||
				closed.ClosedAt.Sub(closed.ConnectedAt) < timeout {
				t.Errorf("closed with %s, %q, %s after it connected", closed.CloseReason, closed.CloseText,
					closed.ClosedAt.Sub(closed.ConnectedAt))
			}
		}
		for _, p := range speaking {
			mustWrite(t, p, []byte("still here"))
			mustRead(t, p, "still here")
		}
	})
}

// Timeouts that are set while the server serves apply to live connections too, until they are taken away.
func TestSilenceLimitsChange(t *testing.T) {
	t.Parallel()
	g := start(t, server.Config{CloseTimeout: 50 * time.Millisecond})
	f := g.follow(event.Closed)
	mute, idle, late := g.open(), g.open(), g.open()
	for _, p := range []peer{idle, late} {
		mustWrite(t, p, []byte("x"))
		mustRead(t, p, "x")
	}
	g.ChangeLimits(func(l *server.Limits) { l.FirstByteTimeout = time.Millisecond })
	if closed := f.awaitType(event.Closed, "").Conn; closed.ID() != mute.id ||
		closed.CloseReason != event.ReasonFirstByteTimeout {
		t.Errorf("%s closed with %s; expected FIRST_BYTE_TIMEOUT of %s", closed.ID(), closed.CloseReason, mute.id)
	}
	g.ChangeLimits(func(l *server.Limits) { l.FirstByteTimeout, l.IdleTimeout = 0, time.Millisecond })
	for range 2 {
		if closed := f.awaitType(event.Closed, "").Conn; closed.CloseReason != event.ReasonIdleTimeout {
			t.Errorf("%s closed with %s; expected IDLE_TIMEOUT", closed.ID(), closed.CloseReason)
		}
	}
	g.ChangeLimits(func(l *server.Limits) { l.IdleTimeout = 0 })
	g.settle(0)
	p := g.open()
	mustWrite(t, p, []byte("no limit"))
	mustRead(t, p, "no limit")
}
