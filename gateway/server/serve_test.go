package server_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

func TestServeTwice(t *testing.T) {
	g := start(t, server.Config{})
	f := g.followFrom("0", event.Listening)
	f.awaitType(event.Listening, "")
	if err := g.Serve(t.Context()); !errors.Is(err, server.ErrServing) {
		t.Errorf("a second Serve: %v; expected ErrServing", err)
	}
	g.stop()
	if err := g.Serve(t.Context()); !errors.Is(err, server.ErrServing) {
		t.Errorf("Serve after the end: %v; expected ErrServing", err)
	}
}

// After a Shutdown before Serve nothing stays bound, whether Listen comes before or after it.
func TestShutdownBeforeServe(t *testing.T) {
	for _, listen := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "s")
		s := newServer(t, "unix://"+path)
		if listen {
			if err := s.Listen(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		if err := s.Serve(t.Context()); !errors.Is(err, server.ErrServing) {
			t.Errorf("Serve after Shutdown: %v; expected ErrServing", err)
		}
		if c, err := net.Dial("unix", path); err == nil {
			t.Errorf("listening before Shutdown %v: the address is still bound", listen)
			c.Close()
		}
	}
}

// The end of Serve's context starts a drain.
func TestServeContext(t *testing.T) {
	s := newServer(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("signal: terminated"))
	if err := s.Serve(ctx); err != nil {
		t.Errorf("Serve: %v", err)
	}
	sub, err := s.Subscribe(server.SubscribeRequest{After: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var types []event.Type
	for _, e := range sub.Poll(nil) {
		types = append(types, e.Type)
		if d, ok := e.Detail.(*event.DrainDetail); ok && d.Reason != "signal: terminated" {
			t.Errorf("%s for the reason %q", e.Type, d.Reason)
		}
	}
	want := []event.Type{event.Listening, event.DrainStarted, event.ListenerClosed, event.DrainEnded}
	if len(types) != len(want) {
		t.Fatalf("events %v; expected %v", types, want)
	}
	for i := range want {
		if types[i] != want[i] {
			t.Errorf("events %v; expected %v", types, want)
		}
	}
}

// Shutdown waits for connections that end by themselves, and closes the rest when its context ends.
func TestShutdown(t *testing.T) {
	t.Run("graceful", func(t *testing.T) {
		g := start(t, server.Config{})
		c := g.open()
		draining := g.follow(event.DrainStarted)
		var shutting sync.WaitGroup
		shutting.Go(func() {
			if err := g.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
		draining.awaitType(event.DrainStarted, "")
		mustWrite(t, c, []byte("still served"))
		mustRead(t, c, "still served")
		c.Close()
		shutting.Wait()
		if err := g.wait(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("forced", func(t *testing.T) {
		g := start(t, server.Config{})
		f := g.follow(event.Closed, event.DrainEnded)
		c := g.open()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := g.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v; expected the context's error", err)
		}
		if r := f.awaitType(event.Closed, c.id).Conn.CloseReason; r != event.ReasonShutdown {
			t.Errorf("closed with %s; expected SHUTDOWN", r)
		}
		if d := f.awaitType(event.DrainEnded, "").Detail.(*event.DrainDetail); d.Ended != 0 || d.Closed != 1 ||
			d.Connections != 0 {
			t.Errorf("DRAIN_ENDED %+v; expected 1 closed", d)
		}
		if err := g.wait(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// New connections are refused as soon as a drain has closed the listeners, and OnDrain runs before that.
func TestDrainClosesListenersFirst(t *testing.T) {
	var g *gateway
	called := make(chan bool, 2)
	g = start(t, server.Config{OnDrain: func() { called <- g.info().Listeners[0].Open && g.info().Draining }})
	addr := g.addr()
	f := g.follow(event.ListenerClosed)
	c := g.open()
	g.StartDrain(server.DrainRequest{Grace: time.Hour})
	f.awaitType(event.ListenerClosed, "")
	if late, err := net.Dial("tcp", addr); err == nil {
		late.Close()
		t.Error("a connection was accepted during the drain")
	}
	c.Close()
	if err := g.wait(); err != nil {
		t.Error(err)
	}
	if !<-called || len(called) != 0 {
		t.Error("OnDrain was not called once, before the listeners closed")
	}
}
