package pause_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/pause"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// TestPause holds that only a pause that lasts is told of, once, also when its timer served shorter ones before.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := transport.NewClock()
		var p pause.Pause
		var told []time.Duration
		var mu sync.Mutex // as the connection's lock
		look := func() {
			mu.Lock()
			defer mu.Unlock()
			if paused, lasts := p.Look(clock.Now()); lasts {
				told = append(told, paused)
			}
		}
		for range 10 {
			mu.Lock()
			p.Begin(clock.Now(), look)
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			paused, was := p.End(clock.Now())
			mu.Unlock()
			if paused != 100*time.Millisecond || was {
				t.Errorf("a pause of %s, told of: %v", paused, was)
			}
		}
		mu.Lock()
		p.Begin(clock.Now(), look)
		mu.Unlock()
		time.Sleep(time.Hour)
		mu.Lock()
		if paused, was := p.End(clock.Now()); paused != time.Hour || !was || p.On || p.Ended != clock.Now() {
			t.Errorf("a pause of %s, told of: %v, %+v", paused, was, p)
		}
		if len(told) != 1 || told[0] != pause.Lasting {
			t.Errorf("told of %v; expected one pause, after %s", told, pause.Lasting)
		}
		p.Begin(clock.Now(), look)
		p.Stop()
		mu.Unlock()
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 1 {
			t.Error("told of a pause whose timer was stopped")
		}
	})
}
