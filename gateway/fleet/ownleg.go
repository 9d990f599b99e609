package fleet

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
)

// panicError is a panic of a leg's goroutine on its way to that of the call.
type panicError struct{ text string }

// Error returns what it panicked with, and where.
func (e *panicError) Error() string { return e.text }

// followOwn is the leg of this node itself. It ends with the node's log, and the stream with it.
func (s *eventStream) followOwn(ctx context.Context) {
	err := s.passOwn(ctx)
	if err == nil {
		err = io.EOF
	}
	s.handOwn(ctx, item{err: err})
}

// passOwn hands over the items of this node's own stream. A node outside the scope hands over only that it has begun.
func (s *eventStream) passOwn(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("%v\n\n%s", p, debug.Stack())}
		}
	}()
	begun, wanted := false, s.plan.covers(s.plan.self)
	snapshot := wanted && s.plan.request.GetSnapshot()
	return s.node.local.Events(ctx, s.plan.own(), func(b []byte) error {
		if !wanted && begun {
			return nil
		}
		it, err := decodeItem(s.plan.self, b)
		if err != nil {
			return err
		}
		if !wanted {
			it = item{}
		}
		if snapshot {
			if it, err = it.ofSnapshot(); err != nil {
				return err
			}
			snapshot = !it.complete
		}
		begun = true
		if !s.handOwn(ctx, it) || it.complete && !s.isLive(ctx) {
			return ctx.Err()
		}
		return nil
	})
}

// handOwn waits until an item of this node is taken. It reports false when ctx has ended.
func (s *eventStream) handOwn(ctx context.Context, it item) bool {
	select {
	case s.items <- it:
		return true
	case <-ctx.Done():
		return false
	}
}
