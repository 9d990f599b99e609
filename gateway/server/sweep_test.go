package server

import (
	"testing"
	"testing/synctest"
	"time"
)

// The sweep examines each connection for its first byte once, when it is as old as the timeout, and never before.
func TestSweepJudgesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		s := idleServer(t, Config{Limits: Limits{FirstByteTimeout: timeout}, Handler: BaseHandler{}})
		w := s.newSweep()
		var conns []*kernel
		wordless := func() (n int) {
			w.Once(s.now())
			for _, k := range conns {
				if k.end.Info().CloseReason == ReasonFirstByteTimeout {
					n++
				}
			}
			return n
		}
		for i := range 300 { // one each 100 ms; every third sends a byte
			k := s.connect(t, "", 0)
			if conns = append(conns, k); i%3 == 0 {
				k.end.Received([]byte("x"), s.now())
			}
			time.Sleep(100 * time.Millisecond)
			old := max(0, i+2-100)
			if got, want := wordless(), old-(old+2)/3; got != want {
				t.Fatalf("%d were closed after %d connections; expected %d", got, i+1, want)
			}
			if w.Judged != uint64(old) || time.Duration(s.now()-w.Oldest) > timeout {
				t.Fatalf("judged up to %d, the next is from %s ago; expected %d", w.Judged, time.Duration(s.now()-w.Oldest), old)
			}
		}
		s.changeLimits(func(l *Limits) { l.FirstByteTimeout = time.Hour })
		before := wordless()
		if time.Sleep(time.Minute); wordless() != before {
			t.Error("closed before the timeout, which was raised")
		}
		s.changeLimits(func(l *Limits) { l.FirstByteTimeout = time.Second })
		if got := wordless(); got != 200 {
			t.Errorf("%d were closed in the end; expected 200", got)
		}
		if w.Oldest != s.now() {
			t.Error("the next look is not put off until a connection that comes from now on can be old enough")
		}
		for _, k := range conns {
			k.finish()
		}
	})
}
