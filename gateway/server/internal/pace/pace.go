// Package pace keeps long work from disturbing others.
package pace

import (
	"runtime"
	"time"
)

// unpaced is how many stretches a scan goes over before it rests for the first time: a page is done by then.
const unpaced = 8

// Pace keeps a long scan from disturbing others. To let others run after each stretch is not enough: a processor that
// is never idle does not poll the network. The system holds a thread that never sleeps back in the middle of a stretch,
// for milliseconds, with the goroutines that wait for it. So a long scan rests for half as long as it works.
type Pace struct {
	stretches int
	began     time.Time     // when the work that is under way began
	owed      time.Duration // rest; below 0 when it has had more than it owes
}

// New returns the pace of a scan that begins now.
func New() Pace { return Pace{began: time.Now()} }

// Rest is called after each stretch.
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
