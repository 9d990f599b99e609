package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/credit"
)

// receiveFor makes a peer send reads of n bytes for a time, as many as the connection takes, and returns their number.
func receiveFor(k *kernel, n int, long time.Duration) (reads int) {
	p := make([]byte, n)
	for end := time.Now().Add(long); time.Now().Before(end); {
		if k.is(&k.paused) {
			time.Sleep(time.Millisecond)
			continue
		}
		k.end.Received(p, k.end.owner.server.now())
		reads++
		time.Sleep(10 * time.Microsecond)
	}
	return reads
}

// rested reports whether a connection has a receive rate, and whether it rests.
func rested(k *kernel) (has, rests bool) {
	k.end.mu.Lock()
	defer k.end.mu.Unlock()
	r := k.end.more().rate
	return r != nil, r != nil && r.Paused
}

// On average no more is read than the rates allow, and no less when there is enough. A second's worth may come at once.
func TestReceiveRate(t *testing.T) {
	for _, c := range []struct {
		name        string
		limits      Limits
		size        int // bytes of a read
		least, most int // reads in 20 seconds
	}{
		{"bytes, small reads", Limits{ReceiveRate: 10_000}, 100, 2000, 2101},
		{"bytes, reads above a second's worth", Limits{ReceiveRate: 10_000}, 64_000, 3, 4},
		{"reads", Limits{ReceiveMessageRate: 10}, 1000, 200, 211},
		{"both, the reads are scarcer", Limits{ReceiveMessageRate: 10, ReceiveRate: 1 << 20}, 1000, 200, 211},
		{"both, the bytes are scarcer", Limits{ReceiveMessageRate: 1000, ReceiveRate: 10_000}, 1000, 200, 211},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := idleServer(t, Config{Limits: c.limits, Handler: BaseHandler{}})
				k := s.connect(t, "", 0)
				got := receiveFor(k, c.size, 20*time.Second)
				if got < c.least || got > c.most {
					t.Errorf("%d reads of %d bytes in 20 seconds; expected %d to %d", got, c.size, c.least, c.most)
				}
				if s.totals().RatePauses == 0 || s.totals().ReadPauses != 0 || k.end.Info().ReadPaused {
					t.Errorf("totals %+v, read paused %v; expected pauses for the rate only", s.totals(), k.end.Info().ReadPaused)
				}
				k.finish()
			})
		})
	}
}

// A change of the rate takes effect within a second, also for a connection that rests under the old one.
func TestReceiveRateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Handler: BaseHandler{}})
		k := s.connect(t, "", 0)
		receive := func() { k.end.Received(make([]byte, 60_000), s.now()) }
		receive()
		if k.is(&k.paused) {
			t.Fatal("paused without a rate")
		}
		s.changeLimits(func(l *Limits) { l.ReceiveRate = 1 })
		receive()
		if time.Sleep(time.Minute); !k.is(&k.paused) {
			t.Fatal("reading goes on, at a byte a second, a minute after a read of 60,000")
		}
		s.changeLimits(func(l *Limits) { l.ReceiveRate = 1 << 20 })
		if time.Sleep(credit.MaxRest + time.Millisecond); k.is(&k.paused) {
			t.Error("reading rests a second after the rate was raised")
		}
		s.changeLimits(func(l *Limits) { l.ReceiveRate = 1 })
		receive()
		receive()
		if !k.is(&k.paused) {
			t.Fatal("reading goes on after the rate was lowered")
		}
		s.changeLimits(func(l *Limits) { l.ReceiveRate = 0 })
		time.Sleep(credit.MaxRest + time.Millisecond)
		if has, _ := rested(k); has || k.is(&k.paused) {
			t.Error("reading rests a second after the rate was taken away, or memory is held for it")
		}
		k.finish()
	})
}

// Reading resumes when neither the send queue nor the rate forbids it, whichever ends first.
func TestPausesCompose(t *testing.T) {
	for _, queueFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := idleServer(t, Config{Limits: Limits{ReceiveRate: 100_000, HighWater: 1000}})
			time.Sleep(time.Second) // nothing happens in the first instant of a server
			k := s.connect(t, "", 0)
			k.end.Received(make([]byte, 60_000), s.now())
			k.end.Received(make([]byte, 60_000), s.now()) // as from an engine that was just about to read
			_, rests := rested(k)
			if i := k.end.Info(); !i.ReadPaused || !rests || !k.is(&k.paused) {
				t.Fatalf("queued %d, paused for it %v, for the rate %v", i.QueuedBytes, i.ReadPaused, rests)
			}
			over := func() { time.Sleep(time.Second); synctest.Wait() }
			drained := func() { k.take(120_000) }
			first, second := over, drained
			if queueFirst {
				first, second = drained, over
			}
			if first(); !k.is(&k.paused) {
				t.Errorf("queue first %v: reading goes on while one of the two forbids it", queueFirst)
			}
			if second(); k.is(&k.paused) {
				t.Errorf("queue first %v: reading rests although nothing forbids it any more", queueFirst)
			}
			k.finish()
		})
	}
}

// A connection that is closed during a rest is read to its end, and no timer of it has an effect.
func TestEndDuringRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Limits: Limits{ReceiveRate: 1000}, Handler: BaseHandler{}})
		k := s.connect(t, "", 0)
		k.end.Received(make([]byte, 60_000), s.now())
		k.end.Close(ReasonHandler)
		if k.is(&k.paused) {
			t.Error("what the peer sends while it is closed is not read, so its end will not be seen")
		}
		k.end.Received(make([]byte, 60_000), s.now())
		if k.is(&k.paused) || k.end.Info().DiscardedBytes != 60_000 {
			t.Errorf("paused, or %d discarded; expected that what comes now is discarded without a rest",
				k.end.Info().DiscardedBytes)
		}
		k.finish()
		time.Sleep(time.Hour)
		if has, _ := rested(k); has || k.is(&k.paused) {
			t.Error("a closed connection has a rate")
		}
	})
}

// A connection that is not read from is not idle: the idle time begins when reading resumes.
func TestRestIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleServer(t, Config{Limits: Limits{ReceiveRate: 1000, IdleTimeout: 10 * time.Second}, Handler: BaseHandler{}})
		time.Sleep(time.Second) // nothing happens in the first instant of a server
		k := s.connect(t, "", 0)
		k.end.Received(make([]byte, 61_000), s.now()) // a minute's worth, and the second that gathered
		w := s.newSweep()
		idle := func(after time.Duration) bool {
			time.Sleep(after)
			synctest.Wait()
			w.Once(s.now())
			return k.end.Info().CloseReason == ReasonIdleTimeout
		}
		if idle(59*time.Second) || !k.is(&k.paused) || idle(2*time.Second) || k.is(&k.paused) || idle(8*time.Second) {
			t.Error("closed as idle while it rested, or less than the idle timeout afterwards")
		}
		if !idle(2 * time.Second) {
			t.Error("not closed as idle, 11 seconds after it was read from again")
		}
		k.finish()
	})
}
