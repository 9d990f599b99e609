package remote_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/remote"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// script calls a function for each call of Data, and gives each connection to the test.
type script struct {
	remote.BaseHandler
	conns chan *remote.Conn
	data  func(c *remote.Conn, p []byte)
}

func newScript(data func(c *remote.Conn, p []byte)) *script {
	return &script{conns: make(chan *remote.Conn, 100), data: data}
}

func (s *script) Open(c *remote.Conn)           { s.conns <- c }
func (s *script) Data(c *remote.Conn, p []byte) { s.data(c, p) }

// TestWholeCommand holds that everything that a call does is one command.
func TestWholeCommand(t *testing.T) {
	h := newScript(func(c *remote.Conn, p []byte) {
		_, err := c.Write(p)
		err = errors.Join(err, c.SetLabel("user", "x"), c.SetLabel("gone", "x"), c.RemoveLabel("gone"),
			c.RemoveLabel("old"), c.SetState([]byte{}), c.SetIdleTimeout(time.Second), c.NotifyIdle(true),
			c.Send([]byte("2")), c.MoveTo("other"))
		c.Close("done \xff")
		if c.Label("user") != "x" || c.Label("gone") != "" || len(c.State()) != 0 || c.Position() != 1 {
			err = errors.Join(err, errors.New("the connection does not show what was set"))
		}
		if !errors.Is(c.Send(p), remote.ErrClosed) || err != nil {
			c.Reset(err.Error())
		}
	})
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), data(1, 1, "1"), data(1, 2, "no"), ended(1, 2))
		s.mustCommand(`1@0 ""`)
		s.mustCommand(`1@1 "12" state "" map[user:x] -[gone old] idle 1s notify true close "done " false to other`)
		p.stop()
	})
}

// TestOutsideOfCalls holds that each send and change outside of calls is a command, and fails behind the end.
func TestOutsideOfCalls(t *testing.T) {
	h := newScript(nil)
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), opened(2, 0))
		s.mustCommand(`1@0 ""`)
		s.mustCommand(`2@0 ""`)
		a, b := <-h.conns, <-h.conns
		if err := errors.Join(a.Send([]byte("1")), a.SetState([]byte("s")), a.SetLabel("k", "v"), b.MoveTo("x")); err != nil {
			t.Error(err)
		}
		a.Close("1")
		b.Reset("2")
		for _, want := range []string{`1@0 "1"`, `1@0 "" state "s"`, `1@0 "" map[k:v]`, `2@0 "" to x`,
			`1@0 "" close "1" false`, `2@0 "" close "2" true`} {
			s.mustCommand(want)
		}
		for _, c := range []*remote.Conn{a, b} {
			c.Close("again")
			if err := c.Send(nil); !errors.Is(err, remote.ErrClosed) {
				t.Errorf("a send after the end: %v", err)
			}
		}
		p.stop()
		a.Reset("nothing happens")
	})
}

// TestBounds holds that what the gateway would end the lane for never leaves the program.
func TestBounds(t *testing.T) {
	h := newScript(nil)
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0))
		s.command()
		c := <-h.conns
		for name, err := range map[string]error{
			"data":     c.Send(make([]byte, remote.MaxData+1)),
			"state":    c.SetState(make([]byte, remote.MaxState+1)),
			"key":      c.SetLabel("A", ""),
			"no key":   c.RemoveLabel(""),
			"value":    c.SetLabel("a", strings.Repeat("v", 257)),
			"utf8":     c.SetLabel("a", "\xff"),
			"idle":     c.SetIdleTimeout(time.Millisecond),
			"instance": c.MoveTo(""),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		for i := range remote.MaxLabels {
			if err := c.SetLabel(string(rune('a'+i)), ""); err != nil {
				t.Error(err)
			}
			s.command()
		}
		if err := c.SetLabel("z", ""); !errors.Is(err, remote.ErrTooManyLabels) {
			t.Errorf("17 labels: %v", err)
		}
		if err := c.Send(make([]byte, remote.MaxData)); err != nil {
			t.Error(err)
		}
		if n := len(s.command().GetData()); n != remote.MaxData {
			t.Errorf("%d bytes came", n)
		}
		p.stop()
	})
}

// TestLife holds which calls are made for which deliveries.
func TestLife(t *testing.T) {
	seen := newWitness()
	play(t, remote.Config{}, seen, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), data(9, 1, "unknown"), data(1, 1, ""), &pb.Delivery{Connection: 1, Position: 1,
			News: &pb.Delivery_Idle{Idle: true}}, ended(1, 1))
		seen.mustBe(t, "open 1", "data 1 ", "idle 1", "end 1")
		for _, want := range []string{`1@0 ""`, `1@1 ""`, `1@0 "ping"`, `1@1 ""`} {
			s.mustCommand(want)
		}
		s.send(&pb.AttachResponse{Shutdown: durationpb.New(time.Minute)})
		s.mustCommand(`1@0 "bye"`)
		s.deliver(closed(1, pb.CloseReason_CLOSE_REASON_KICKED, "text"), data(1, 2, "late"), opened(2, 0))
		seen.mustBe(t, "shutdown 1 1m0s", "close 1 KICKED text 7", "open 2")
		s.end(nil)
		seen.mustBe(t, "moved 2")
		p.stop()
	})
}

// TestWritten holds what the program knows of send queues, with reports that come for every command and at the end.
func TestWritten(t *testing.T) {
	seen := newWitness()
	play(t, remote.Config{}, seen, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		big := strings.Repeat("x", 100<<10)
		s.deliver(opened(1, 0), data(1, 1, big), written(1, 0), data(1, 2, big), written(1, 10<<10))
		s.deliver(written(1, 160<<10), written(1, 200<<10))
		seen.mustBe(t, "open 1", "data 1 "+big, "data 1 "+big, "drained 1 0", "drained 1 0")
		p.stop()
	})
}

func written(number, n uint64) *pb.Delivery {
	return &pb.Delivery{Connection: number, News: &pb.Delivery_Written{Written: n}}
}

// TestPanic holds that a panic resets its connection, discards what the call did, and leaves the lane alone.
func TestPanic(t *testing.T) {
	h := newScript(func(c *remote.Conn, p []byte) {
		_ = c.Send(p)
		if string(p) == "bad" {
			c.Defer()
			panic("a fault")
		}
	})
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), opened(2, 0), data(1, 3, "bad"), data(1, 6, "too"), data(2, 4, "good"))
		for _, want := range []string{`1@0 ""`, `2@0 ""`, `1@0 "" close "the handler panicked: a fault" true`, `2@4 "good"`} {
			s.mustCommand(want)
		}
		p.stop()
	})
}

// TestBackPressure holds that producers wait while 1 MiB waits, that every request is small, and that the end of the
// lane frees them.
func TestBackPressure(t *testing.T) {
	h := newScript(nil)
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0))
		s.command()
		c := <-h.conns
		sent := make(chan error, 1)
		go func() {
			p, err := make([]byte, 10<<10), error(nil)
			for err == nil {
				err = c.Send(p)
			}
			sent <- err
		}()
		for range 50 {
			if r := s.request(); len(r.GetCommands()) > 4096 || size(r) > 512<<10 {
				t.Errorf("a request has %d commands and %d bytes", len(r.GetCommands()), size(r))
			}
		}
		p.stop()
		if err := <-sent; !errors.Is(err, remote.ErrClosed) {
			t.Errorf("a send after the end: %v", err)
		}
	})
}

func size(r *pb.AttachRequest) (n int) {
	for _, c := range r.GetCommands() {
		n += len(c.GetData())
	}
	return n
}
