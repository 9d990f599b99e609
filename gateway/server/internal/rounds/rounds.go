// Package rounds runs a look at all connections again and again.
package rounds

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// The bounds of the time between two looks.
const (
	minPeriod = 5 * time.Millisecond
	maxPeriod = time.Second
)

// Period returns the time between two looks, so that each of the timeouts is late by at most a sixteenth of it (5 ms to
// 1 s). A timeout of 0 or less is none.
func Period(timeouts ...time.Duration) time.Duration {
	period := maxPeriod
	for _, timeout := range timeouts {
		if timeout > 0 {
			period = min(period, timeout/16)
		}
	}
	return max(minPeriod, period)
}

// Run calls look after each period until stop closes. After the whole process has stopped (SIGSTOP, a suspended
// machine) it leaves one look out, so that bytes that came meanwhile are read first.
func Run(stop <-chan struct{}, clock transport.Clock, period func() time.Duration, look func(transport.Moment)) {
	last, wait := clock.Now(), period()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
			now := clock.Now()
			if stopped := time.Duration(now-last) > wait+maxPeriod; !stopped {
				look(now)
			}
			last, wait = now, period()
			timer.Reset(wait)
		}
	}
}
