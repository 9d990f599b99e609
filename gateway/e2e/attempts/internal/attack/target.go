// Package attack has the attacks on a gateway that this project runs itself. Each is a function for one caller; a
// process of its own runs it for all of its callers, so that its processor time and its memory are apart.
package attack

import (
	"context"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
)

// Target says what to attack, and as which callers.
type Target struct {
	Attack  string   // its name
	Control string   // address of the control plane, plain TCP
	Data    string   // address of an echo listener
	TLS     string   // address of a TLS listener
	Tokens  []string // one for each caller
	Streams int      // calls on a connection; 1,000 in full
	Conns   int      // connections of an attack that holds many; 1,100 in full

	tally *Tally
}

// Attack is a way to attack a gateway.
type Attack struct {
	Name   string
	About  string
	Role   Role  // of its callers
	Counts []int // how many callers it is measured with
	Labels bool  // it wants rows that are as long as they can be
	Bans   bool  // it wants a thousand bans
	Fills  bool  // it fills the gateway's memory or its places, which takes longer than to keep it busy
	run    func(ctx context.Context, t *Target, token string)
}

// Role is the role of an attack's callers.
type Role int

// The roles.
const (
	Viewer Role = iota
	Operator
)

// pause is how long an attacker waits before it tries again what it was refused. Attacks that test the cost of refusals
// do not wait.
const pause = 20 * time.Millisecond

// Run attacks until the context ends.
func (t *Target) Run(ctx context.Context, a *Attack, tally *Tally) {
	t.tally = tally
	var callers sync.WaitGroup
	for _, token := range t.Tokens {
		callers.Go(func() { a.run(ctx, t, token) })
	}
	callers.Wait()
}

// conn keeps a connection with the control plane, and makes another one whenever the gateway ends it. A use may end by
// itself, which also makes another one.
func (t *Target) conn(ctx context.Context, config frames.Config, use func(ctx context.Context, c *frames.Conn) error) {
	config.Ended = t.tally.ended
	for ctx.Err() == nil {
		c, err := frames.Dial(ctx, t.Control, config)
		if err != nil {
			t.tally.Add("dial failed", 1)
			rest(ctx, pause)
			continue
		}
		t.tally.Add("connections", 1)
		stop := context.AfterFunc(ctx, c.Close)
		err = use(ctx, c)
		stop()
		if ctx.Err() == nil && (err != nil || c.Dead() != nil) {
			t.tally.Add("connections cut", 1)
			rest(ctx, pause)
		}
		c.Close()
	}
}

// conns keeps n connections, each as conn does.
func (t *Target) conns(ctx context.Context, n int, use func(ctx context.Context, c *frames.Conn) error) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() { t.conn(ctx, frames.Config{}, use) })
	}
	all.Wait()
}

// rest waits for a while, or until the context ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
