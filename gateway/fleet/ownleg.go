package fleet

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/room"
	"github.com/sockgate/sockgate/gateway/internal/share"
)

// allTypes are the types of this node's own events.
const allTypes event.Types = 0

// panicError carries a panic of a leg's goroutine to the goroutine of the call.
type panicError struct{ text string }

// Error returns the panic's value and its stack.
func (e *panicError) Error() string { return e.text }

// followOwn is the leg of this node itself. When the node's log ends, this leg and the whole stream end.
func (s *eventStream) followOwn(ctx context.Context) {
	err := s.passOwn(ctx)
	if err == nil {
		err = io.EOF
	}
	s.handOwn(ctx, item{err: err})
}

// passOwn hands over the items of this node's own stream. If this node is outside the scope, it hands over only the
// beginning.
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
		it, err := decodeItem(s.plan.self, b, allTypes)
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
		if it.hold, err = s.ownRoom(ctx, len(it.events)); err != nil {
			return err
		}
		if !s.handOwn(ctx, it) || it.complete && !s.isLive(ctx) {
			return ctx.Err()
		}
		return nil
	})
}

// handOwn waits until an item of this node is taken. It reports false if ctx has ended.
func (s *eventStream) handOwn(ctx context.Context, it item) bool {
	select {
	case s.items <- it:
		return true
	case <-ctx.Done():
		room.Free(it.hold)
		return false
	}
}

// ownRoom waits for room for an item of this node. Meanwhile its leg falls behind the log, as that of a slow caller
// does.
func (s *eventStream) ownRoom(ctx context.Context, size int) (*share.Hold, error) {
	if size == 0 {
		return nil, nil
	}
	h, err := room.Await(ctx, s.node.shares.streams, exchange.PartyOf(s.caller), int64(size)+room.ItemCost, s.revoke)
	if err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	return h, nil
}
