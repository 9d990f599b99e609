package pause_test

import (
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
		look := func() {
			if paused, lasts := p.Look(clock.Now()); lasts {
				told = append(told, paused)
			}
		}
		for range 10 {
			p.Begin(clock.Now(), look)
			time.Sleep(100 * time.Millisecond)
			if paused, was := p.End(clock.Now()); paused != 100*time.Millisecond || was {
				t.Errorf("a pause of %s, told of: %v", paused, was)
			}
		}
		p.Begin(clock.Now(), look)
		time.Sleep(time.Hour)
		if paused, was := p.End(clock.Now()); paused != time.Hour || !was || p.On || p.Ended != clock.Now() {
			t.Errorf("a pause of %s, told of: %v, %+v", paused, was, p)
		}
		if len(told) != 1 || told[0] != pause.Lasting {
			t.Errorf("told of %v; expected one pause, after %s", told, pause.Lasting)
		}
		p.Begin(clock.Now(), look)
		p.Stop()
		if time.Sleep(time.Hour); len(told) != 1 {
			t.Error("told of a pause whose timer was stopped")
		}
	})
}
