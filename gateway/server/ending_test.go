package server_test

import (
	"runtime"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// blocking is a handler whose Data blocks until the test releases it.
type blocking struct {
	server.BaseHandler
	called chan *server.Conn
	goOn   chan struct{}
}

func (blocking) Name() string { return "blocking" }

func (h blocking) Data(c *server.Conn, _ []byte) {
	h.called <- c
	<-h.goOn
}

// Bytes that a reset throws away count as unsent. So does the farewell of a kick that a call of the handler held up.
func TestResetBeforeFarewell(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := blocking{called: make(chan *server.Conn, 1), goOn: make(chan struct{})}
		g := startOn(t, engine, server.Config{Limits: server.Limits{HighWater: 8 << 20, SendQueueLimit: 8 << 20}, Handler: h})
		f := g.follow(event.Closed)
		p := g.open()
		accepted := g.stuff(p.id)
		mustWrite(t, p, []byte("x"))
		c := <-h.called
		kicked := make(chan struct{})
		go func() {
			defer close(kicked)
			_, _ = g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Farewell: []byte("bye"), Flush: safety})
		}()
		for c.Info().CloseReason == event.ReasonNone {
			runtime.Gosched()
		}
		c.Abort(server.ReasonShutdown)
		close(h.goOn)
		closed := f.awaitType(event.Closed, p.id).Conn
		<-kicked
		if got := closed.BytesSent + closed.UnsentBytes; got != uint64(accepted+len("bye")) {
			t.Errorf("%d bytes sent, %d unsent; %d were accepted", closed.BytesSent, closed.UnsentBytes, accepted+len("bye"))
		}
	})
}

// A reason that is none ends the connection as the handler's own.
func TestReasonThatIsNone(t *testing.T) {
	for _, reason := range []server.CloseReason{event.ReasonNone, server.CloseReason(event.ReasonCount), 255} {
		for name, end := range map[string]func(*server.Conn){
			"Close": func(c *server.Conn) { c.Close(reason) }, "Abort": func(c *server.Conn) { c.Abort(reason) },
		} {
			g := start(t, server.Config{Handler: &hooks{data: func(c *server.Conn, _ []byte) { end(c) }}})
			f := g.follow(event.Closed)
			p := g.open()
			mustWrite(t, p, []byte("x"))
			p.Close()
			if e := f.awaitType(event.Closed, p.id); e.Conn.CloseReason != server.ReasonHandler {
				t.Errorf("%s(%d): closed with %s; expected HANDLER", name, reason, e.Conn.CloseReason)
			}
		}
	}
}
