// Package pause measures pauses of reading, and tells of those that last.
package pause

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Lasting is the shortest pause of reading that makes an event. Shorter pauses are ordinary flow control.
const Lasting = 250 * time.Millisecond

// Pause is a pause that comes and goes. The zero value is over. The connection's lock guards it.
type Pause struct {
	On    bool             // the pause is under way
	Ended transport.Moment // when the last pause ended
	begun transport.Moment
	told  bool // an event was made about this pause
	armed bool // the timer runs, or its call is under way
	timer *time.Timer
}

// Begin begins a pause. look is called without a lock when it may have lasted, to call Look. Pauses that begin and end
// while the timer runs share it.
func (p *Pause) Begin(now transport.Moment, look func()) {
	p.On, p.begun = true, now
	if !p.armed {
		p.arm(Lasting, look)
	}
}

func (p *Pause) arm(after time.Duration, look func()) {
	p.armed = true
	if p.timer == nil {
		p.timer = time.AfterFunc(after, look)
		return
	}
	p.timer.Reset(after)
}

// Look returns the length of a pause that has lasted and was not told of yet; the caller tells. Only the call of
// Begin's look calls it.
func (p *Pause) Look(now transport.Moment) (paused time.Duration, lasts bool) {
	p.armed = false
	if !p.On || p.told {
		return 0, false
	}
	if paused = time.Duration(now - p.begun); paused < Lasting {
		p.arm(Lasting-paused, nil)
		return 0, false
	}
	p.told = true
	return paused, true
}

// End ends the pause, and returns its length and whether it was told of.
func (p *Pause) End(now transport.Moment) (paused time.Duration, told bool) {
	paused, told = time.Duration(now-p.begun), p.told
	p.On, p.told, p.Ended = false, false, now
	return paused, told
}

// Stop ends the timer.
func (p *Pause) Stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
