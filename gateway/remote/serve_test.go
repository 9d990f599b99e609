package remote_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/remote"
)

// echo answers with what it gets.
type echo struct{ remote.BaseHandler }

func (echo) Data(c *remote.Conn, p []byte) { _ = c.Send(p) }

// TestEcho holds that each call makes one command with its reply and its acknowledgement.
func TestEcho(t *testing.T) {
	play(t, remote.Config{Instance: "one", Window: 8 << 10, MaxConnections: 9}, echo{}, func(t *testing.T, f *fake,
		p *program) {
		s := f.greet()
		if h := s.hello; h.GetHandler() != "chat" || h.GetInstance() != "one" || h.GetWindow() != 8<<10 ||
			h.GetMaxConnections() != 9 {
			t.Errorf("hello: %v", h)
		}
		s.deliver(opened(3, 0), data(3, 5, "hello"), data(3, 6, "!"), ended(3, 6))
		s.mustCommand(`3@0 ""`)
		s.mustCommand(`3@5 "hello"`)
		s.mustCommand(`3@6 "!"`)
		s.mustCommand(`3@6 "" close "" false`)
		p.stop()
	})
}

// TestSignsOfLife holds that the gateway hears something every 3 s, and that a silent gateway loses its lane.
func TestSignsOfLife(t *testing.T) {
	play(t, remote.Config{}, echo{}, func(t *testing.T, f *fake, p *program) {
		s, last := f.greet(), time.Now()
		for range 4 {
			s.request()
			if d := time.Since(last); d > 3*time.Second {
				t.Errorf("%s of silence", d)
			}
			last = time.Now()
		}
		if s.empty != 4 {
			t.Errorf("%d empty requests, expected 4", s.empty)
		}
		s.closedByProgram()
		f.greet()
		p.stop()
	})
}

// TestAttachAgain holds that a lane is attached again with backoff, after each kind of end.
func TestAttachAgain(t *testing.T) {
	play(t, remote.Config{}, echo{}, func(t *testing.T, f *fake, p *program) {
		f.accept().end(status.Error(codes.Unavailable, "before welcome"))
		s := f.accept()
		s.send(nothing) // no welcome
		s.closedByProgram()
		f.greet().end(status.Error(codes.DeadlineExceeded, "frozen"))
		f.greet().end(status.Error(codes.PermissionDenied, "role lost"))
		last := time.Now()
		for range 10 {
			f.greet().end(status.Error(codes.InvalidArgument, "a wrong command"))
		}
		if d := time.Since(last); d < 20*time.Second || d > 40*time.Second {
			t.Errorf("10 short lives took %s", d)
		}
		s, last = f.greet(), time.Now()
		s.request()
		s.end(status.Error(codes.Unavailable, "gone"))
		f.greet()
		if d := time.Since(last); d > 3*time.Second+100*time.Millisecond {
			t.Errorf("a lane that lived was attached again after %s", d)
		}
		p.stop()
	})
}

// TestForcedDrain holds that a lane that an operator drained is away for a while.
func TestForcedDrain(t *testing.T) {
	play(t, remote.Config{}, echo{}, func(t *testing.T, f *fake, p *program) {
		f.greet().end(nil)
		last := time.Now()
		f.greet()
		if d := time.Since(last); d < 2500*time.Millisecond || d > 5*time.Second {
			t.Errorf("attached again after %s", d)
		}
		p.stop()
	})
}

// TestHopeless holds which errors of the first attach Serve returns.
func TestHopeless(t *testing.T) {
	for _, code := range []codes.Code{codes.InvalidArgument, codes.NotFound, codes.PermissionDenied,
		codes.Unauthenticated, codes.Unimplemented} {
		play(t, remote.Config{Lanes: 2}, echo{}, func(t *testing.T, f *fake, p *program) {
			f.accept().end(status.Error(code, "no"))
			if err := p.wait(); status.Code(err) != code {
				t.Errorf("Serve returned %v, expected %v", err, code)
			}
		})
	}
}

// TestClosedConn holds that Serve returns when its connection was closed under it.
func TestClosedConn(t *testing.T) {
	play(t, remote.Config{}, echo{}, func(t *testing.T, f *fake, p *program) {
		f.greet()
		_ = f.conn.Close()
		if err := p.wait(); status.Code(err) != codes.Canceled {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// TestWrongConfig holds that a field out of its bounds is named.
func TestWrongConfig(t *testing.T) {
	for name, c := range map[string]remote.Config{
		"handler":     {Handler: "Chat"},
		"instance":    {Handler: "chat", Instance: "a b"},
		"lanes":       {Handler: "chat", Lanes: -1},
		"window":      {Handler: "chat", Window: 1},
		"connections": {Handler: "chat", MaxConnections: -1},
		"drain":       {Handler: "chat", DrainTimeout: 2 * time.Hour},
		"no conn":     {Handler: "chat"},
	} {
		if err := remote.Serve(t.Context(), nil, c, echo{}); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
}
