package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// legSilence is how long a node may send nothing on a stream, of which it sends a heartbeat every 5 s, until that is opened again.
	legSilence = 15 * time.Second
	// legPause and legMaxPause are how long a leg waits after its stream has ended before it opens the next, at first and at most.
	legPause, legMaxPause = 100 * time.Millisecond, 5 * time.Second
)

// leg follows another node for an event stream, through whatever happens to that node, until it has gone for good. It runs in a
// goroutine of its own, which the stream waits for; while its item is not taken, it takes nothing from its node.
type leg struct {
	stream   *eventStream
	member   Member        // as it was seen last, also when it is not known any more
	told     event.Cursor  // how far the caller knows of the node's events
	resume   bool          // the node is asked for what is behind told, not for all that it keeps
	snapshot bool          // the node is asked for its connections first
	late     bool          // they did not come with those of other nodes
	ended    string        // the life whose log has ended; everything of it was delivered
	pause    time.Duration // before the next opening
}

// run follows the node until ctx ends, it has gone, or it refuses.
func (l *leg) run(ctx context.Context) {
	for l.await(ctx) {
		began, life := time.Now(), l.member.Incarnation
		err := l.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		var end *streamEnd
		if errors.As(err, &end) {
			if refusal := refusedStream(end); refusal != nil {
				l.hand(ctx, item{err: refusal})
				return
			}
			if end.status == pb.NodeStatus_NODE_STATUS_OK {
				l.ended = life
			}
		}
		l.stream.node.log.Debug("a node's events have stopped", "node", l.member.Node, "error", err)
		if l.snapshot && !l.late && !l.miss(ctx) {
			return
		}
		l.rest(ctx, time.Since(began))
	}
}

// await waits until the node can be asked. It reports false when there is nothing to wait for: ctx has ended, or the node has gone.
func (l *leg) await(ctx context.Context) bool {
	for {
		changed := l.stream.node.roster.changed()
		known := l.look()
		switch {
		case known && l.member.asked() && l.member.Incarnation != l.ended:
			return true
		case l.snapshot && !l.late:
			if !l.miss(ctx) {
				return false
			}
			continue
		case !known, l.member.State == pb.NodeState_NODE_STATE_LEFT:
			l.hand(ctx, l.farewell())
			return false
		}
		l.pause = 0
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// look reports whether the node is known, and keeps what is.
func (l *leg) look() bool {
	m, known := l.stream.node.roster.find(l.member.Node)
	if known {
		l.member = m
	}
	return known
}

// miss says that the node's part of the snapshot does not come with those of the others, and waits until these are complete. It reports
// false when ctx has ended.
func (l *leg) miss(ctx context.Context) bool {
	l.late = true
	return l.hand(ctx, item{node: l.member.Node, missing: true}) && l.stream.isLive(ctx)
}

// isLive waits until no snapshot is to be awaited. It reports false when ctx has ended.
func (s *eventStream) isLive(ctx context.Context) bool {
	select {
	case <-s.live:
		return true
	case <-ctx.Done():
		return false
	}
}

// follow opens a stream at the node and hands over what comes, until it ends; the error says why.
func (l *leg) follow(ctx context.Context) error {
	body, err := l.stream.plan.other(l.after(), l.snapshot)
	if err != nil {
		return err
	}
	node := l.stream.node
	source := node.asker.follow(ctx, l.member, question{method: pb.GatewayService_StreamEvents_FullMethodName, body: body,
		caller: l.stream.caller, wait: l.stream.plan.wait})
	defer source.close()
	for {
		b, err := l.next(ctx, source)
		if err != nil {
			return err
		}
		it, err := l.read(b)
		if err != nil {
			node.log.Warn("a node's events cannot be read", "node", l.member.Node, "error", err)
			return err
		}
		if !l.hand(ctx, it) {
			return ctx.Err()
		}
		if it.cursor.Node != "" {
			l.told, l.resume, l.snapshot = it.cursor, true, false
		}
		if it.complete && !l.stream.isLive(ctx) {
			return ctx.Err()
		}
	}
}

// after returns what the node is asked to begin behind.
func (l *leg) after() string {
	switch {
	case l.snapshot:
		return ""
	case l.resume:
		return l.told.String()
	}
	return "0"
}

// next returns the next item of the node. The error says so when it is silent for too long.
func (l *leg) next(ctx context.Context, source stream) ([]byte, error) {
	limit := legSilence
	if l.snapshot && !l.late {
		limit = l.stream.plan.wait
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	b, err := source.next(waiting)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("node %s sent nothing for %s", l.member.Node, limit)
	}
	return b, err
}

// read decodes an item.
func (l *leg) read(b []byte) (item, error) {
	it, err := decodeItem(l.member.Node, b)
	switch {
	case err != nil:
		return item{}, err
	case l.snapshot && !l.late:
		return it.ofSnapshot()
	case it.cursor.Node == "" && !l.snapshot:
		return item{}, fmt.Errorf("node %s sent events without a position", l.member.Node)
	}
	return it, nil
}

// hand waits until an item is taken, and keeps an eye on the node meanwhile: how far it had come is to be known when it has gone. It
// reports false when ctx has ended.
func (l *leg) hand(ctx context.Context, it item) bool {
	for {
		changed := l.stream.node.roster.changed()
		l.look()
		select {
		case l.stream.items <- it:
			return true
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// rest waits before the node is asked again: longer each time when its streams do not last. It keeps an eye on the node as hand does.
func (l *leg) rest(ctx context.Context, lasted time.Duration) {
	if lasted > legMaxPause {
		l.pause = 0
	}
	l.pause = min(max(2*l.pause, legPause), legMaxPause)
	timer := time.NewTimer(l.pause/2 + rand.N(l.pause/2))
	defer timer.Stop()
	for {
		changed := l.stream.node.roster.changed()
		l.look()
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// farewell is the last item of a node that has gone: it tells what is lost, if anything is.
func (l *leg) farewell() item {
	it := item{node: l.member.Node, gone: true, cursor: l.told}
	lost := l.lost()
	if len(lost) == 0 {
		return it
	}
	it.events, _ = proto.Marshal(&pb.StreamEventsResponse{Events: lost}) // fails only for text that is not UTF-8, of which it has none
	it.count = len(lost)
	it.cursor = event.Cursor{Origin: l.member.Origin, Sequence: l.member.Head}
	return it
}
