package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A drain announces the deadline of Shutdown's context, plus the second for flushing.
func TestShutdownAnnouncesItsDeadline(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.DrainStarted, event.DrainEnded)
	c := g.open()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	ends, _ := ctx.Deadline()
	if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v; expected that its context ended", err)
	}
	mustEnd(t, c)
	d := f.awaitType(event.DrainStarted, "").Detail.(*event.DrainDetail)
	if late := d.Deadline.Sub(ends); late < 0 || late > time.Second {
		t.Errorf("the deadline %s is %s after the context's; expected at most a second", d.Deadline, late)
	}
	if ended := f.awaitType(event.DrainEnded, "").Detail.(*event.DrainDetail); ended.Closed != 1 {
		t.Errorf("DRAIN_ENDED %+v; expected that the connection was closed", ended)
	}
	if err := g.wait(); err != nil {
		t.Error(err)
	}
}
