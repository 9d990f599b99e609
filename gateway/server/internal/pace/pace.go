// Package pace keeps long work from holding others up.
package pace

import (
	"runtime"
	"time"
)

// unpaced is how many stretches a scan works before its first rest. A page is done by then.
const unpaced = 8

// Pace makes a long scan rest for half as long as it works. Yielding after each stretch is not enough. A processor that
// is never idle does not poll the network. The system suspends a thread that never sleeps in the middle of a stretch,
// for milliseconds, with the goroutines that wait for it. A Pace is for one goroutine.
type Pace struct {
	stretches int
	began     time.Time     // when the stretch under way began
	owed      time.Duration // rest that is due; negative after a rest that was too long
}

// New returns the pace of a scan that begins now.
func New() Pace { return Pace{began: time.Now()} }

// Rest is called after each stretch. It yields, or sleeps for as long as rest is due.
func (p *Pace) Rest() {
	now := time.Now()
	if p.stretches++; p.stretches > unpaced {
		p.owed += now.Sub(p.began) / 2
	}
	p.began = now
	if p.owed <= 0 {
		runtime.Gosched()
		return
	}
	time.Sleep(p.owed)
	p.began = time.Now()
	p.owed -= p.began.Sub(now)
}
