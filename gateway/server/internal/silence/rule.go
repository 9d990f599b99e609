// Package silence has the idle timeouts that single connections have of their own.
package silence

import (
	"fmt"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

const (
	// Min is the shortest timeout of a connection's own.
	Min = 10 * time.Millisecond
	// Max is the longest: ten years.
	Max = 10 * 365 * 24 * time.Hour
	// grace is how late a timer may be. A later one says that the whole process was stopped (SIGSTOP, a suspended
	// machine). Bytes that came meanwhile are read first.
	grace = time.Second
)

// Check says which bound a timeout is out of; 0 stands for none.
func Check(timeout time.Duration) error {
	if timeout == 0 || timeout >= Min && timeout <= Max {
		return nil
	}
	return fmt.Errorf("idle timeout %s: expected 0 (none) or %s to %s", timeout, Min, Max)
}

// Rule is what one connection has of its own. The connection's lock guards it.
type Rule struct {
	Own     bool          // Timeout is in force, in place of the server's
	Timeout time.Duration // 0: none
	Notify  bool          // the handler is called in place of closing

	timer *time.Timer
	due   transport.Moment
}

// Await makes due be called, without a lock, after a time.
func (r *Rule) Await(now transport.Moment, after time.Duration, due func()) {
	r.due = now + transport.Moment(after)
	if r.timer == nil {
		r.timer = time.AfterFunc(after, due)
		return
	}
	r.timer.Reset(after)
}

// Deferred reports whether the call of due comes so late that the process was stopped. It is then called again a second
// later.
func (r *Rule) Deferred(now transport.Moment) bool {
	if time.Duration(now-r.due) <= grace {
		return false
	}
	r.Await(now, grace, nil)
	return true
}

// Stop ends the timer.
func (r *Rule) Stop() {
	if r.timer != nil {
		r.timer.Stop()
	}
}
