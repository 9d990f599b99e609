// Package backend has instances of an echo back end, which serve a remote handler by way of a gateway's HandlerService.
// It uses the contract alone, and so shows how little a back end needs.
package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

// Drain is the time for the connections of an instance that is restarted.
const Drain = 10 * time.Second

// Set has the instances that are attached to one handler. One goroutine may call its methods.
type Set struct {
	app     *app.App
	handler string
	name    string // the beginning of the instances' names, different in each run
	fail    func(error)

	serving sync.WaitGroup
	over    context.Context // ended: all instances end, and none is started any more
	finish  context.CancelFunc

	mu      sync.Mutex
	live    []*instance // the oldest first
	started int

	kills, restarts, moved atomic.Int64
}

// Start attaches n instances, or none when one of them cannot be. The caller closes the set. fail gets each later
// failure.
func Start(a *app.App, handler string, n int, fail func(error)) (*Set, error) {
	s := &Set{app: a, handler: handler, name: "bench-" + uuid.NewString()[:8], fail: fail}
	s.over, s.finish = context.WithCancel(context.Background())
	for range n {
		if err := s.start(); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// start attaches one more instance.
func (s *Set) start() error {
	s.mu.Lock()
	s.started++
	name := fmt.Sprintf("%s-%d", s.name, s.started)
	s.mu.Unlock()
	i, err := s.attach(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = append(s.live, i)
	s.serving.Go(i.serve)
	return nil
}

// restore starts an instance, and tries again until one is there or the set is closed.
func (s *Set) restore() {
	var delay app.RetryDelay
	for err := s.start(); err != nil; err = s.start() {
		if s.over.Err() != nil {
			return
		}
		s.fail(err)
		if s.app.Env.Sleep(s.over, delay.Next()) != nil {
			return
		}
	}
}

// take removes the oldest instance from the live ones; nil: there is none.
func (s *Set) take() *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.live) == 0 {
		return nil
	}
	i := s.live[0]
	s.live = s.live[1:]
	return i
}

func (s *Set) forget(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = slices.DeleteFunc(s.live, func(other *instance) bool { return other == i })
}

// Kill cuts the oldest instance off without a drain, and starts another.
func (s *Set) Kill() {
	if i := s.take(); i != nil {
		i.cut()
		s.kills.Add(1)
	}
	s.serving.Go(s.restore)
}

// Restart starts an instance, and drains the oldest.
func (s *Set) Restart() {
	if i := s.take(); i != nil {
		i.leaving.Store(true)
		s.restarts.Add(1)
		s.serving.Go(func() { s.replace(i) })
	}
}

// replace starts an instance, and drains i.
func (s *Set) replace(i *instance) {
	s.forget(i)
	s.restore()
	i.drain()
}

// ended judges the end of an instance's stream. Another takes its place unless it was to end. An operator may have
// drained it; any other end is a failure.
func (s *Set) ended(i *instance, err error) {
	if i.leaving.Load() || s.over.Err() != nil {
		return
	}
	s.forget(i)
	if errors.Is(err, io.EOF) || status.Code(err) == codes.Aborted {
		s.restarts.Add(1)
	} else {
		s.fail(fmt.Errorf("the gateway ended the stream of an instance: %w", err))
	}
	s.serving.Go(s.restore)
}

// Close cuts all instances off, and waits for their ends.
func (s *Set) Close() {
	s.finish()
	s.serving.Wait()
}

// Kills returns how many instances were cut off.
func (s *Set) Kills() int64 { return s.kills.Load() }

// Restarts returns how many instances were drained, here or by an operator.
func (s *Set) Restarts() int64 { return s.restarts.Load() }

// Moved returns how many connections have moved to one of the instances from another.
func (s *Set) Moved() int64 { return s.moved.Load() }
