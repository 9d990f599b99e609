package server

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/sockgate/sockgate/gateway/event"
)

// What every connection pays has not grown: a Conn fits its size class, and so does what labels and values need.
func TestSizeOfConnections(t *testing.T) {
	if n, m := unsafe.Sizeof(Conn{}), unsafe.Sizeof(extra{}); n > 112 || m > 48 {
		t.Errorf("a Conn has %d bytes and its extra %d; expected at most 112 and 48", n, m)
	}
}

// A change is made whole or not at all: with one label too many, no byte is sent and no rule changed.
func TestApplyIsAtomic(t *testing.T) {
	s := idleServer(t, Config{Limits: Limits{SendQueueLimit: 1 << 20, HighWater: 1 << 20}})
	k := s.connect(t, "", 0)
	many := make(map[string]string)
	for i := range MaxLabels + 1 {
		many["k"+strconv.Itoa(i)] = "v"
	}
	short, notify := time.Minute, true
	rule := &IdleRule{Timeout: &short, Notify: &notify}
	wrong := time.Millisecond
	for name, c := range map[string]struct {
		change Change
		is     func(error) bool
	}{
		"too many labels": {Change{SetLabels: many}, func(err error) bool { return errors.Is(err, ErrTooManyLabels) }},
		"a wrong label": {Change{SetLabels: map[string]string{"K": "v"}},
			func(err error) bool { return err != nil && strings.Contains(err.Error(), `"K"`) }},
		"a wrong timeout": {Change{Idle: &IdleRule{Timeout: &wrong}},
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "idle timeout 1ms") }},
		"too many bytes": {Change{Data: make([]byte, 2<<20), SetLabels: map[string]string{"a": "b"}},
			func(err error) bool { return errors.Is(err, ErrDropped) }},
	} {
		x := c.change
		x.Settled = true
		if x.Data == nil {
			x.Data = []byte("hello")
		}
		if x.Idle == nil {
			x.Idle = rule
		}
		k.end.Owe()
		if _, err := k.end.Apply(x); !c.is(err) {
			t.Errorf("%s: %v", name, err)
		}
		i := k.end.Info()
		if k.end.rare().rule != nil || len(i.Labels) != 0 || i.QueuedBytes+i.BytesSent != 0 || !k.end.marked(markOwes) {
			t.Errorf("%s: %+v; expected that nothing was done", name, i)
		}
	}
	r, err := k.end.Apply(Change{Data: []byte("hello"), SetLabels: map[string]string{"a": "1"}, Idle: rule, Settled: true})
	i := k.end.Info()
	if err != nil || r != (Applied{Queued: 5}) || i.Labels["a"] != "1" || k.end.rare().rule == nil ||
		k.end.marked(markOwes) {
		t.Errorf("%+v, %v, %+v; expected that all was done", r, err, i)
	}
	if r, err := k.end.Apply(Change{Data: make([]byte, 1<<20), RemoveLabels: []string{"a"}}); err != nil || !r.High ||
		len(k.end.Info().Labels) != 0 {
		t.Errorf("%+v, %v; expected that reading is paused", r, err)
	}
	k.end.Close(ReasonHandler)
	if _, err := k.end.Apply(Change{SetLabels: map[string]string{"a": "1"}}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v; expected ErrClosed", err)
	}
	k.finish()
}

// Apply takes no memory where the kernel takes the bytes: it is the path of every answer.
func TestApplyAllocatesNothing(t *testing.T) {
	s := idleServer(t, Config{})
	k := s.connect(t, "", 1<<40)
	data := make([]byte, 64)
	if n := testing.AllocsPerRun(1000, func() { _, _ = k.end.Apply(Change{Data: data, Settled: true}) }); n != 0 {
		t.Errorf("%v allocations for a change", n)
	}
	k.finish()
}

// owing is a handler that owes an answer to each read.
type owing struct{ BaseHandler }

func (owing) Data(c *Conn, _ []byte) { c.Owe() }

// kick begins the end of a connection as Kick does.
func kick(k *kernel, flush time.Duration) {
	k.end.end(ending{reason: ReasonKicked, farewell: []byte("bye"), answering: true}, flush)
}

// An end waits for an owed answer, and goes on when it is settled. The farewell comes behind the answer.
func TestEndWaitsForOwedAnswer(t *testing.T) {
	for name, begin := range map[string]func(*kernel){
		"kick":  func(k *kernel) { kick(k, 5*time.Second) },
		"close": func(k *kernel) { k.end.CloseWith(ReasonHandler, "enough") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := idleServer(t, Config{Handler: owing{}})
				k := s.connect(t, "", 0)
				k.end.Received([]byte("x"), s.now())
				begin(k)
				time.Sleep(200 * time.Millisecond)
				if o := k.end.send([]byte("verb")); o != OutcomeClosed {
					t.Errorf("a verb's send is %s", o)
				}
				if _, err := k.end.Send([]byte("ans")); err != nil {
					t.Errorf("a handler's send: %v", err)
				}
				if k.end.has(flagFinish) {
					t.Error("the end went on before the answer")
				}
				if _, err := k.end.Apply(Change{Data: []byte("wer"), Settled: true,
					SetLabels: map[string]string{"a": "b"}}); err != nil {
					t.Error(err)
				}
				want := "answer"
				if name == "kick" {
					want += "bye"
				}
				if got := string(k.end.sending.queue.Front()); got != want || !k.end.has(flagFinish) {
					t.Errorf("%q is queued; expected %q and FIN", got, want)
				}
				if _, err := k.end.Apply(Change{Data: []byte("more")}); !errors.Is(err, ErrClosed) {
					t.Errorf("%v behind the last answer; expected ErrClosed", err)
				}
				k.finish()
			})
		})
	}
}

// At the flush timeout an owed answer is awaited no longer, and the farewell is tried or counted as unsent.
func TestOwedAnswerAtFlushTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Handler: owing{}})
		for _, room := range []int{0, 100} {
			k := s.connect(t, "", room)
			k.end.Received([]byte("x"), s.now())
			kick(k, time.Second)
			time.Sleep(999 * time.Millisecond)
			synctest.Wait()
			if k.is(&k.closed) {
				t.Error("closed before the flush timeout")
			}
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			if !k.is(&k.closed) {
				t.Error("not closed at the flush timeout")
			}
			k.finish()
			if i := k.end.Info(); i.UnsentBytes+i.BytesSent != 3 || (room > 0) != (i.BytesSent == 3) {
				t.Errorf("%d sent, %d unsent; expected 3 of the farewell", i.BytesSent, i.UnsentBytes)
			}
		}
	})
}

// A reset counts the farewell behind an answer that is still owed as unsent.
func TestAbortWhileOwed(t *testing.T) {
	s := idleServer(t, Config{Handler: owing{}})
	k := s.connect(t, "", 100)
	k.end.Received([]byte("x"), s.now())
	kick(k, time.Hour)
	k.end.AbortWith(ReasonHandler, "over")
	k.finish()
	if i := k.end.Info(); i.UnsentBytes != 3 || i.CloseReason != ReasonKicked {
		t.Errorf("%+v; expected KICKED with 3 bytes unsent", i)
	}
}

// Whoever settles last, the call that is under way or Apply, continues the end; never none of them.
func TestSettleRaces(t *testing.T) {
	s := idleServer(t, Config{Handler: owing{}})
	for range scaledInner(2000) {
		k := s.connect(t, "", 100)
		k.end.Received([]byte("x"), s.now())
		var all sync.WaitGroup
		all.Go(func() { kick(k, time.Hour) })
		all.Go(func() { _, _ = k.end.Apply(Change{Data: []byte("answer"), Settled: true}) })
		all.Go(func() { k.end.Received([]byte("y"), s.now()) })
		all.Wait()
		_, err := k.end.Apply(Change{Settled: true}) // of the second read, if that came before the kick
		if !k.end.has(flagFinish) || err != nil && !errors.Is(err, ErrClosed) {
			t.Fatalf("the end does not go on: %v", err)
		}
		k.finish()
	}
}

func scaledInner(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// A handler's pause composes with the other two, and is told of when it lasts.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Limits: Limits{HighWater: 1000}})
		time.Sleep(time.Second)
		k := s.connect(t, "", 0)
		k.end.Pause()
		k.end.Pause()
		if !k.is(&k.paused) || !k.end.Info().ReadPaused || s.totals().HandlerPauses != 1 {
			t.Errorf("paused %v, %+v", k.is(&k.paused), s.totals())
		}
		if _, err := k.end.Send(make([]byte, 2000)); err != nil {
			t.Fatal(err)
		}
		k.end.Resume()
		if !k.is(&k.paused) || !k.end.Info().ReadPaused {
			t.Error("reading goes on over the high water")
		}
		k.end.Pause()
		if k.take(2000); !k.is(&k.paused) {
			t.Error("reading goes on during the handler's pause")
		}
		k.end.Resume()
		if k.is(&k.paused) || k.end.Info().ReadPaused {
			t.Error("reading rests for no cause")
		}
		k.end.Resume()
		for range 3 { // short ones share a timer, and make no event
			k.end.Pause()
			time.Sleep(100 * time.Millisecond)
			k.end.Resume()
		}
		k.end.Pause()
		time.Sleep(time.Second)
		k.end.Resume()
		var told []event.PauseDetail
		for _, e := range kept(t, s) {
			if d, ok := e.Detail.(*event.PauseDetail); ok {
				told = append(told, *d)
			}
		}
		if len(told) != 2 || told[0].Cause != event.CauseHandler || told[0].Paused < 250*time.Millisecond ||
			told[1].Cause != event.CauseHandler || told[1].Paused != time.Second {
			t.Errorf("%+v; expected one pause of the handler", told)
		}
		k.end.Pause()
		k.end.Close(ReasonHandler)
		if k.is(&k.paused) {
			t.Error("what the peer sends while it is closed is not read, so its end will not be seen")
		}
		if k.end.Pause(); k.is(&k.paused) {
			t.Error("a connection that is ending can be paused")
		}
		k.finish()
		time.Sleep(time.Hour)
	})
}

// A connection that its handler has paused since it opened is not closed for its first byte, which may wait unread.
func TestPausedIsNotWordless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Limits: Limits{FirstByteTimeout: time.Second}, Handler: BaseHandler{}})
		w := s.newSweep()
		held, quiet := s.connect(t, "", 0), s.connect(t, "", 0)
		held.end.Pause()
		time.Sleep(2 * time.Second)
		w.Once(s.now())
		if held.end.Info().CloseReason != event.ReasonNone || quiet.end.Info().CloseReason != ReasonFirstByteTimeout {
			t.Errorf("closed with %s and %s; expected only the one that is read from", held.end.Info().CloseReason,
				quiet.end.Info().CloseReason)
		}
		held.finish()
		quiet.finish()
	})
}

// idling counts calls of Idle.
type idling struct {
	BaseHandler
	calls atomic.Int32
}

func (h *idling) Idle(*Conn) { h.calls.Add(1) }

func ptr[T any](v T) *T { return &v }

// A connection's own idle timeout is in force in place of the server's.
func TestOwnIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Limits: Limits{IdleTimeout: 10 * time.Second}, Handler: BaseHandler{}})
		w := s.newSweep()
		time.Sleep(time.Second)
		short, long, never := s.connect(t, "", 0), s.connect(t, "", 0), s.connect(t, "", 0)
		for k, timeout := range map[*kernel]time.Duration{short: 2 * time.Second, long: time.Minute, never: 0} {
			if _, err := k.end.Apply(Change{Idle: &IdleRule{Timeout: &timeout}}); err != nil {
				t.Fatal(err)
			}
		}
		closed := func(k *kernel) bool {
			synctest.Wait()
			w.Once(s.now())
			return k.end.Info().CloseReason == ReasonIdleTimeout
		}
		time.Sleep(1500 * time.Millisecond)
		short.end.Received([]byte("x"), s.now())
		if time.Sleep(1999 * time.Millisecond); closed(short) {
			t.Error("the short one closed before its timeout")
		}
		if time.Sleep(2 * time.Millisecond); !closed(short) {
			t.Error("the short one did not close at its timeout")
		}
		if time.Sleep(56 * time.Second); closed(long) {
			t.Error("the long one closed before its timeout")
		}
		if time.Sleep(time.Second); !closed(long) {
			t.Error("the long one did not close at its timeout")
		}
		if time.Sleep(1000 * time.Hour); closed(never) {
			t.Error("the one without a timeout closed")
		}
		for _, k := range []*kernel{short, long, never} {
			k.finish()
		}
	})
}

// With Notify the handler is told once for each idle period, by the server's timeout and by one of its own.
func TestNotifyIdle(t *testing.T) {
	for name, rule := range map[string]*IdleRule{
		"server's": {Notify: ptr(true)}, "own": {Notify: ptr(true), Timeout: ptr(10 * time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &idling{}
				s := idleServer(t, Config{Limits: Limits{IdleTimeout: 10 * time.Second}, Handler: h})
				w := s.newSweep()
				time.Sleep(time.Second)
				k := s.connect(t, "", 0)
				if _, err := k.end.Apply(Change{Idle: rule}); err != nil {
					t.Fatal(err)
				}
				idle := func(after time.Duration) int {
					for end := time.Now().Add(after); time.Now().Before(end); {
						time.Sleep(100 * time.Millisecond)
						synctest.Wait()
						w.Once(s.now())
					}
					return int(h.calls.Load())
				}
				if n := idle(9 * time.Second); n != 0 {
					t.Errorf("%d calls before the timeout", n)
				}
				if n := idle(time.Hour); n != 1 {
					t.Errorf("%d calls for one idle period", n)
				}
				k.end.Received([]byte("x"), s.now())
				if n := idle(21 * time.Second); n != 2 {
					t.Errorf("%d calls for two idle periods", n)
				}
				k.end.Pause()
				if n := idle(time.Hour); n != 2 {
					t.Errorf("%d calls: a paused connection is idle", n)
				}
				k.end.Resume()
				if n := idle(9 * time.Second); n != 2 {
					t.Errorf("%d calls less than the timeout after a pause", n)
				}
				if n := idle(12 * time.Second); n != 3 || k.end.Info().CloseReason != event.ReasonNone {
					t.Errorf("%d calls, %s; expected a third, and that it is open", n, k.end.Info().CloseReason)
				}
				told := 0
				for _, e := range kept(t, s) {
					if d, ok := e.Detail.(*event.IdleDetail); ok && !d.Closing {
						told++
					}
				}
				if told != 3 {
					t.Errorf("%d IdleTimeout events; expected 3", told)
				}
				k.finish()
			})
		})
	}
}

// After the whole process was stopped, bytes that came meanwhile are read before a connection is idle.
func TestOwnIdleTimeoutAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Handler: BaseHandler{}})
		time.Sleep(24 * time.Hour)
		k := s.connect(t, "", 0)
		if _, err := k.end.Apply(Change{Idle: &IdleRule{Timeout: ptr(time.Hour)}}); err != nil {
			t.Fatal(err)
		}
		due := func(from moment) {
			k.end.mu.Lock()
			k.end.active.Store(int64(s.now() - moment(2*time.Hour)))
			k.end.rare().rule.Await(from, time.Hour, nil)
			k.end.mu.Unlock()
			k.end.idleDue()
		}
		due(s.now() - moment(90*time.Minute)) // it was due half an hour ago
		if k.end.Info().CloseReason != event.ReasonNone {
			t.Error("closed as idle at once after a stop")
		}
		due(s.now() - moment(time.Hour))
		if k.end.Info().CloseReason != ReasonIdleTimeout {
			t.Error("not closed as idle")
		}
		k.finish()
	})
}

// draining records calls of Drained.
type draining struct {
	BaseHandler
	drained int
	on      func()
}

func (h *draining) Drained(*Conn) {
	h.drained++
	if h.on != nil {
		h.on()
	}
}

// Drained follows a pause for the send queue, once, and not an end of the pause for another cause.
func TestDrained(t *testing.T) {
	h := &draining{}
	s := idleServer(t, Config{Limits: Limits{HighWater: 1000, LowWater: 500}, Handler: h})
	k := s.connect(t, "", 0)
	change := func(n int) Applied {
		r, err := k.end.Apply(Change{Data: make([]byte, n)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := change(1000); r != (Applied{Queued: 1000}) {
		t.Errorf("%+v at the high water", r)
	}
	if r := change(1); r != (Applied{Queued: 1001, High: true}) {
		t.Errorf("%+v over the high water", r)
	}
	if k.take(500); h.drained != 0 {
		t.Error("drained over the low water")
	}
	if k.take(1); h.drained != 1 {
		t.Errorf("%d calls at the low water", h.drained)
	}
	if k.take(1000); h.drained != 1 {
		t.Errorf("%d calls for one pause", h.drained)
	}
	h.on = func() { panic("ouch") }
	change(2000)
	if k.take(2000); k.end.Info().CloseReason != ReasonHandlerPanic {
		t.Errorf("closed with %s; expected HANDLER_PANIC", k.end.Info().CloseReason)
	}
	k.finish()
	k = s.connect(t, "", 0)
	change(2000)
	if k.end.Close(ReasonHandler); h.drained != 2 {
		t.Error("drained by the end of the connection")
	}
	k.finish()
}

// Info shows the ownership that a connection follows, and the totals what is unacknowledged and held.
func TestOwnership(t *testing.T) {
	s := idleServer(t, Config{})
	k := s.connect(t, "", 0)
	var o Ownership
	k.end.Follow(&o)
	if i := k.end.Info(); i.Instance != "" || i.Unacknowledged != 0 {
		t.Errorf("%+v; expected no owner", i)
	}
	o.SetInstance(ptr("pod-1"))
	o.AddUnacknowledged(10)
	o.AddUnacknowledged(-3)
	s.Unacknowledged().Add(7)
	s.AddHeld(2)
	if i, n := k.end.Info(), s.totals(); i.Instance != "pod-1" || i.Unacknowledged != 7 || n.UnacknowledgedBytes != 7 ||
		n.Held != 2 {
		t.Errorf("%+v, %+v; expected pod-1 and 7 bytes", i, n)
	}
	k.end.Follow(nil)
	if i := k.end.Info(); i.Instance != "" {
		t.Errorf("%+v; expected no owner", i)
	}
	k.finish()
}
