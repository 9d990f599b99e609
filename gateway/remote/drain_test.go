package remote_test

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/remote"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// errDrained is the status of a lane whose drain is over: OK.
var errDrained error

// TestDrain holds that the end of ctx drains every lane, which goes on until the gateway ends it.
func TestDrain(t *testing.T) {
	seen := newWitness()
	play(t, remote.Config{Lanes: 2, DrainTimeout: 7 * time.Second}, seen, func(t *testing.T, f *fake, p *program) {
		a, b := f.greet(), f.greet()
		a.deliver(opened(1, 0))
		a.mustCommand(`1@0 ""`)
		synctest.Wait()
		p.cancel(nil)
		for _, s := range []*session{a, b} {
			if d := s.awaitDrain(); d != 7*time.Second {
				t.Errorf("the drain takes %s", d)
			}
		}
		b.end(errDrained)
		a.deliver(data(1, 2, "hi"))
		a.mustCommand(`1@2 "hi"`)
		a.deliver(moved(1))
		a.end(errDrained)
		p.mustReturn(nil)
		seen.mustBe(t, "open 1", "data 1 hi", "moved 1")
	})
}

// TestDrainIsBounded holds that Serve returns although the gateway never ends a lane, and that it attaches no more.
func TestDrainIsBounded(t *testing.T) {
	play(t, remote.Config{DrainTimeout: 7 * time.Second}, echo{}, func(t *testing.T, f *fake, p *program) {
		s := f.greet()
		synctest.Wait()
		began := time.Now()
		p.cancel(nil)
		s.awaitDrain()
		for time.Since(began) < 8*time.Second {
			s.deliver() // the gateway lives
			s.request()
		}
		p.mustReturn(nil)
		if d := time.Since(began); d > 14*time.Second {
			t.Errorf("Serve returned after %s", d)
		}
	})
}

// TestAbandon holds the two ways to end without a drain.
func TestAbandon(t *testing.T) {
	for name, c := range map[string]struct {
		config remote.Config
		cause  error
	}{"cause": {remote.Config{}, remote.ErrAbandon}, "timeout": {remote.Config{DrainTimeout: -1}, nil}} {
		t.Run(name, func(t *testing.T) {
			play(t, c.config, echo{}, func(t *testing.T, f *fake, p *program) {
				s := f.greet()
				synctest.Wait()
				began := time.Now()
				p.cancel(c.cause)
				p.mustReturn(nil)
				s.closedByProgram()
				if d := time.Since(began); d > 0 || s.drain != nil {
					t.Errorf("it took %s, with a drain of %v", d, s.drain)
				}
			})
		})
	}
}

// TestEndWhileNotAttached holds that Serve returns at once when there is no lane to drain.
func TestEndWhileNotAttached(t *testing.T) {
	play(t, remote.Config{}, echo{}, func(t *testing.T, f *fake, p *program) {
		f.accept() // no welcome
		began := time.Now()
		p.cancel(nil)
		p.mustReturn(nil)
		if d := time.Since(began); d > 0 {
			t.Errorf("it took %s", d)
		}
	})
}

// TestReattach holds that a lane is replaced before it is drained.
func TestReattach(t *testing.T) {
	seen := newWitness()
	play(t, remote.Config{}, seen, func(t *testing.T, f *fake, p *program) {
		old := f.greet()
		old.deliver(opened(1, 0), data(1, 2, "ab"))
		old.request()
		old.request()
		time.Sleep(2 * time.Second)
		reattach := &pb.AttachResponse{Reattach: durationpb.New(20 * time.Second)}
		old.send(reattach)
		old.send(reattach)
		time.Sleep(time.Second)
		next := f.accept()
		if old.drain != nil {
			t.Error("the lane was drained before another was welcomed")
		}
		next.send(welcome())
		if d := old.awaitDrain(); d < 18*time.Second || d > 19*time.Second {
			t.Errorf("the drain takes %s", d)
		}
		old.deliver(moved(1))
		synctest.Wait()
		next.deliver(opened(1<<48|1, 2))
		old.end(errDrained)
		next.mustCommand(`281474976710657@2 ""`)
		seen.mustBe(t, "open 1", "data 1 ab", "moved 1", "open 281474976710657")
		p.stop()
	})
}

// TestReattachAtOnce holds that a gateway that replaces every lane at once is not asked without a pause.
func TestReattachAtOnce(t *testing.T) {
	play(t, remote.Config{}, echo{}, func(t *testing.T, f *fake, p *program) {
		began, s := time.Now(), f.greet()
		for range 8 {
			s.send(&pb.AttachResponse{Reattach: durationpb.New(time.Second)})
			next := f.greet()
			s.awaitDrain()
			s.end(errDrained)
			s = next
		}
		if d := time.Since(began); d < 5*time.Second {
			t.Errorf("8 replacements took %s", d)
		}
		p.stop()
	})
}

func welcome() *pb.AttachResponse {
	return &pb.AttachResponse{Welcome: &pb.Welcome{Node: "a", Incarnation: "1", Window: 64 << 10}}
}
