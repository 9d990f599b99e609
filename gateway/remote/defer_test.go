package remote_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sockgate/sockgate/gateway/remote"
)

// TestDefer holds that an answer is one command with what its call sent, and that acknowledgements are in order.
func TestDefer(t *testing.T) {
	answers := make(chan *remote.Answer, 10)
	h := newScript(func(c *remote.Conn, p []byte) {
		_ = c.Send(p)
		if p[0] == 'd' {
			a := c.Defer()
			_ = c.Send([]byte("+"))
			if c.Defer() != a {
				c.Reset("a second answer")
			}
			answers <- a
		}
	})
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), data(1, 1, "d"), data(1, 2, "2"), data(1, 3, "3"), data(1, 4, "d"), data(1, 5, "5"))
		s.mustCommand(`1@0 ""`)
		synctest.Wait()
		c, one, four := <-h.conns, <-answers, <-answers
		_ = four.Send([]byte("four"))
		four.Done()
		_ = c.Send([]byte("push"))
		s.mustCommand(`1@0 "push"`)
		err := errors.Join(one.SetLabel("k", "v"), one.SetState([]byte("s")), one.RemoveLabel("r"))
		_, wrong := one.Write([]byte("one"))
		one.Done()
		one.Done()
		if err = errors.Join(err, wrong); err != nil || !errors.Is(one.Send(nil), remote.ErrDone) || one.Conn() != c {
			t.Errorf("%v, and a send after Done", err)
		}
		s.mustCommand(`1@1 "d+one" state "s" map[k:v] -[r]`)
		s.mustCommand(`1@3 "23"`)
		s.mustCommand(`1@4 "d+four"`)
		s.mustCommand(`1@5 "5"`)
		p.stop()
	})
}

// TestDeferInEveryCall holds that Open and End may answer later, and a call that is done before it returns.
func TestDeferInEveryCall(t *testing.T) {
	h := &deferrer{answers: make(chan *remote.Answer, 10)}
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), data(1, 1, "x"), ended(1, 1))
		synctest.Wait()
		open, end := <-h.answers, <-h.answers
		_ = end.Send([]byte("bye"))
		end.Close("over")
		if err := end.Send(nil); !errors.Is(err, remote.ErrClosed) {
			t.Errorf("a send behind Close: %v", err)
		}
		end.Done()
		synctest.Wait()
		if len(s.requests) > 0 {
			t.Error("a command came before the connection was admitted")
		}
		_ = open.MoveTo("other")
		open.Done()
		s.mustCommand(`1@0 "" to other`)
		s.mustCommand(`1@1 "now"`)
		s.mustCommand(`1@1 "bye" close "over" false`)
		p.stop()
	})
}

// deferrer answers later.
type deferrer struct {
	remote.BaseHandler
	answers chan *remote.Answer
}

func (d *deferrer) Open(c *remote.Conn) { d.answers <- c.Defer() }
func (d *deferrer) End(c *remote.Conn)  { d.answers <- c.Defer() }
func (d *deferrer) Data(c *remote.Conn, _ []byte) {
	a := c.Defer()
	a.Done()
	_ = c.Send([]byte("now"))
}

// TestDeferIsBounded holds that answers that wait hold at most 1 MiB, and nothing is sent of one whose lane has ended.
func TestDeferIsBounded(t *testing.T) {
	answers := make(chan *remote.Answer, 10)
	dropped := make(chan error, 10)
	big := make([]byte, remote.MaxData/2)
	h := newScript(func(c *remote.Conn, p []byte) {
		if p[0] == 'd' {
			answers <- c.Defer()
		}
		dropped <- c.Send(big)
	})
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		s.deliver(opened(1, 0), data(1, 1, "d"), data(1, 2, "2"), data(1, 3, "3"))
		synctest.Wait()
		if a, b, c := <-dropped, <-dropped, <-dropped; a != nil || b != nil || !errors.Is(c, remote.ErrDropped) {
			t.Errorf("the sends: %v, %v, %v", a, b, c)
		}
		a := <-answers
		if err := a.Send([]byte("1")); !errors.Is(err, remote.ErrDropped) {
			t.Errorf("a send: %v", err)
		}
		s.end(nil)
		f.greet()
		a.Done()
		if err := a.Send(nil); !errors.Is(err, remote.ErrClosed) {
			t.Errorf("a send of a lost lane: %v", err)
		}
		p.stop()
	})
}

// TestDeferOutsideOfCalls holds that Defer panics where nothing can be acknowledged.
func TestDeferOutsideOfCalls(t *testing.T) {
	h := newScript(nil)
	play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
		f.greet().deliver(opened(1, 0))
		c := <-h.conns
		synctest.Wait()
		defer p.stop()
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		c.Defer()
	})
}
